"""Limits between the fifths of a partition's customers, frozen at a boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.learning.fifths import Limits, cuts_of
from models.segments.recency import smoothed

if TYPE_CHECKING:
    from models.state.state import State

MARGIN: Final = 0.05
"""Margin of ranks by frequency and by spend, which move far less from day to day than recency."""


def freeze(state: State) -> Limits | None:
    """Return the limits of the boundary begun last, whose days need not be folded.

    Args:
        state: State of the partition.

    Returns:
        The limits; None with fewer customers than a ranking needs.
    """
    everyone = np.arange(len(state.ids))
    standing = state.standing(everyone)
    ranked = np.flatnonzero(standing.frequency > 0)
    if len(ranked) < max(state.settings.segment_minimum_population, 1):
        return None
    first = state.calendar.days(state.customers["first_purchase"][ranked].min(keepdims=True))[0]
    began = int(first) if state.limits is None else min(state.limits.began, int(first))
    recency = smoothed(state, ranked, state.clock.begun)
    margin = state.settings.segment_margin
    cuts = [
        cuts_of(-recency, margin),
        cuts_of(standing.frequency[ranked], MARGIN),
        cuts_of(standing.spend[ranked], MARGIN),
    ]
    return Limits(began, np.stack(cuts))
