"""Layouts of files that have a name: how each is recognised, and the meaning of its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.sources.layouts.arranged import Arranged
from streams.sources.layouts.datasets import DATASETS
from streams.sources.layouts.marketplaces import MARKETPLACES
from streams.sources.layouts.preset import Preset, plain
from streams.sources.layouts.tills import TILLS
from streams.sources.layouts.tracking import TRACKING
from streams.sources.layouts.web_shops import WEB_SHOPS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NO_PRESET", "PRESETS", "Arranged", "Preset", "recognise"]

PRESETS: Final[dict[str, Preset]] = {
    preset.name: preset for preset in (*WEB_SHOPS, *MARKETPLACES, *TILLS, *TRACKING, *DATASETS)
}
"""Name -> layout."""

NO_PRESET: Final = "none"
"""Name for `--preset` that reads a file by its columns' names alone."""


def recognise(names: Iterable[str]) -> Preset | None:
    """Return the layout of a file with these columns or paths; of several, the one with the most signs."""
    known = {plain(name) for name in names}
    fitting = [preset for preset in PRESETS.values() if preset.fits(known)]
    return max(fitting, key=lambda preset: len(preset.signs), default=None)
