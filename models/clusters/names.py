"""Names of clusters, made from their centres, and the features by which a cluster stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.clusters.features import FEATURES, SHARE, values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.clusters.features import Feature
    from models.learning.clusters import Clusters

TOLD: Final = 3
"""Features told of a cluster."""
_TRIPS, _VALUE, _ITEMS, _, _DISCOUNT = range(len(FEATURES))
_OFTEN: Final = ((1.4, "frequent"), (0.6, "weekly"), (0.3, "fortnightly"), (0.0, "rare"))
"""Trips a week from which a word holds."""
_APART: Final = 0.35
"""Standard deviations from the mean from which a word is worth it."""
_FAR_APART: Final = 0.9
"""Standard deviations from which a word of the second kind is."""


class Trait(NamedTuple):
    """Feature by which a cluster stands out."""

    measure: str
    unit: str
    value: float
    """At the cluster's centre."""
    average: float
    """Of all customers."""


class Portrait(NamedTuple):
    """Cluster in words."""

    name: str
    share: float
    """Of the customers who have a cluster."""
    traits: tuple[Trait, ...]
    """Features by which it stands out most, the farthest from the average first."""


def portraits_of(clusters: Clusters, features: Sequence[Feature]) -> list[Portrait]:
    """Describe all clusters. No two have one name.

    Args:
        clusters: Clusters.
        features: What their features are, from `named`.

    Names say how often and how much is bought, and what else is far from the average, as in
    `weekly big shop` or `rare small shop, discount`.
    """
    away = (clusters.centres - clusters.mean) / clusters.spread
    values, average = values_of(clusters.centres), values_of(clusters.mean[None])[0]
    names = [_name(*each, features) for each in zip(away, values, strict=True)]
    # Clusters of one name are told apart by how large their baskets are, those of one size by their number.
    for name in {each for each in names if names.count(each) > 1}:
        alike = [place for place, each in enumerate(names) if each == name]
        alike.sort(key=lambda place: values[place, _VALUE])
        words = ("smaller", "larger") if len(alike) == 2 else [str(place + 1) for place in range(len(alike))]
        for place, word in zip(alike, words, strict=True):
            names[place] = f"{name}, {word}"
    known = max(int(clusters.sizes.sum()), 1)
    return [
        Portrait(name, int(size) / known, _traits(apart, value, average, features))
        for name, size, apart, value in zip(names, clusters.sizes, away, values, strict=True)
    ]


def _name(away: NDArray[np.float64], values: NDArray[np.float64], features: Sequence[Feature]) -> str:
    often = next(word for least, word in _OFTEN if values[_TRIPS] >= least)
    size = "big" if away[_VALUE] >= _APART else "small" if away[_VALUE] <= -_APART else "medium"
    noun = "basket" if often == "frequent" else "shop"
    more, groups = "", away[len(FEATURES) :]
    if len(groups) and groups.max() >= _FAR_APART:
        more = f", {features[len(FEATURES) + int(groups.argmax())].measure.removeprefix(SHARE)}-led"
    elif away[_DISCOUNT] >= _FAR_APART:
        more = ", discount"
    elif away[_DISCOUNT] <= -_FAR_APART:
        more = ", full price"
    elif away[_ITEMS] - away[_VALUE] <= -_FAR_APART:
        more = ", costly items"
    elif away[_ITEMS] - away[_VALUE] >= _FAR_APART:
        more = ", cheap items"
    return f"{often} {size} {noun}{more}"


def _traits(
    away: NDArray[np.float64],
    values: NDArray[np.float64],
    average: NDArray[np.float64],
    features: Sequence[Feature],
) -> tuple[Trait, ...]:
    order = np.argsort(-np.abs(away), kind="stable")[:TOLD].tolist()
    return tuple(
        Trait(
            features[place].measure,
            features[place].unit,
            round(float(values[place]), 3),
            round(float(average[place]), 3),
        )
        for place in order
    )
