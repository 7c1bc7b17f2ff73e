"""Property tests of the models run without a time limit: what is slow is a benchmark's business."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("models", deadline=None)
settings.load_profile("models")
