"""Property tests of the models run without a time limit: what is slow is a benchmark's business."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile("models", deadline=None)
settings.register_profile(
    "mutants",  # a few examples, the same for every mutant: `make mutants ARGS=models`
    deadline=None,
    max_examples=20,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("models")
