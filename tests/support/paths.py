"""Folders that tests read from, wherever a test itself lies."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
"""The repository."""
SAMPLES: Final = ROOT / "tests" / "samples"
DOCS: Final = ROOT / "docs"
FIELD: Final = SAMPLES / "field"
"""Files as shops wrote them, values invented."""
