"""Files as shops export them, with invented values."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SAMPLES: Final = Path(__file__).parents[1] / "samples" / "field"
