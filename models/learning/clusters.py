"""Clusters of customers by how they shop: River's online k-means, and one step of Lloyd over everybody.

Centres that learn from every purchase follow those who shop most. These learn at the boundary of a day, from
customers drawn by a hash; one step of Lloyd's algorithm over all customers then moves each centre to the mean
of its members. The centres go on from those of the day before, so that a cluster keeps its number [1]_ [2]_.

References:
    .. [1] MacQueen (1967). Some methods for classification and analysis of multivariate observations.
    .. [2] Lloyd (1982). Least squares quantization in PCM. IEEE Trans. Inf. Theory 28 (2), 129-137.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from river.cluster import KMeans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

CLUSTERS: Final = 8
"""Clusters. Of The Complete Journey, fits with 5 or 8 agree from one start to another, those with 6 or 10
do not."""
SCALE: Final = 1024
"""Steps per unit in which features are counted: sums of whole numbers are exact in any order."""
HALFLIFE: Final = 0.02
"""Share of the way that River moves a centre towards a customer."""
LEAST_MEMBERS: Final = 50
"""Customers per cluster that must be known before the first centres are chosen."""
_FAR: Final = 0.97
"""Quantile of the distance at which the next first centre lies. The farthest of all is an outlier."""
_FIRST_STEPS: Final = 10
_HEAD: Final = struct.Struct("<HH")


class Nearest(NamedTuple):
    """Clusters of n customers, with distances in standard deviations of the day's customers."""

    clusters: NDArray[np.int8]
    """(n,) nearest cluster."""
    distances: Reals
    """(n, 8) to each centre."""


class Clusters:
    """Immutable centres in the features' own units, and the customers that they were learnt from.

    Args:
        centres: (8, f) features, 1/1,024.
        mean: (f,) of all customers, 1/1,024.
        spread: (f,) standard deviation of all customers, above 0, 1/1,024.
        sizes: (8,) customers nearest to each centre.

    >>> some = np.random.default_rng(8).normal(size=(400, 2)) * 90 + 1024 * (np.arange(400) % 8)[:, None]
    >>> some = np.rint(some).astype(np.int64)
    >>> found = Clusters.first(some)
    >>> found.sizes.tolist(), np.sort(np.rint(found.centres[:, 0] / 1024)).astype(int).tolist()
    ([50, 50, 50, 50, 50, 50, 50, 50], [0, 1, 2, 3, 4, 5, 6, 7])
    >>> Clusters.decode(found.encode()).encode() == found.encode()
    True
    """

    def __init__(self, centres: Reals, mean: Reals, spread: Reals, sizes: Integers) -> None:
        self.centres, self.mean, self.spread, self.sizes = centres, mean, spread, sizes

    @classmethod
    def first(cls, features: Integers) -> Clusters | None:
        """Choose the first centres; None for fewer than 400 customers.

        The first centre is the customer nearest to the mean. Each next one is far from those before. Equal
        distances are settled by the features, so that the order of customers plays no part.

        Args:
            features: (n, f) features of all customers, 1/1,024.
        """
        if len(features) < CLUSTERS * LEAST_MEMBERS:
            return None
        features = features[np.lexsort(features.T)]
        mean, spread = _scale(features)
        values = (features - mean) / spread
        chosen = [int(np.argmin(_squares(values, np.zeros((1, values.shape[1])))[:, 0]))]
        while len(chosen) < CLUSTERS:
            away = _squares(values, values[chosen]).min(axis=1)
            order = np.argsort(away, kind="stable")
            chosen.append(int(order[int(_FAR * (len(order) - 1))]))
        centres = features[chosen].astype(np.float64)
        for _ in range(_FIRST_STEPS):
            centres, sizes = _step(features, values, centres, (centres - mean) / spread)
        return cls(centres, mean, spread, sizes)

    def learnt(self, features: Integers, drawn: Integers) -> Clusters:
        """Return the clusters after a boundary.

        Args:
            features: (n, f) features of all customers, 1/1,024, in any order. With other features than before
                customers are dealt out by the first of them, which stay what they are.
            drawn: (d,) places of the customers from whom River learns, in order of their ids.
        """
        mean, spread = _scale(features)
        values = (features - mean) / spread
        shared = min(features.shape[1], self.centres.shape[1])
        centres = (self.centres[:, :shared] - mean[:shared]) / spread[:shared]
        river = KMeans(CLUSTERS, halflife=HALFLIFE)
        # Features are named by whole numbers: River adds over a set of names, and the order of a set of texts
        # follows PYTHONHASHSEED.
        for number, centre in enumerate(centres.tolist()):
            river.centers[number].update(enumerate(centre))
        for value in values[drawn, :shared].tolist():
            river.learn_one(dict(enumerate(value)))  # type: ignore[no-untyped-call] # River has no types here
        moved = np.array([[river.centers[each][place] for place in range(shared)] for each in river.centers])
        raw = np.tile(mean, (CLUSTERS, 1))
        raw[:, :shared] = moved * spread[:shared] + mean[:shared]
        found, sizes = _step(features, values[:, :shared], raw, moved)
        return Clusters(found, mean, spread, sizes)

    def nearest(self, features: Integers) -> Nearest:
        """Find the nearest cluster of customers.

        Args:
            features: (n, f) features, 1/1,024.
        """
        # Of features that the centres do not know yet, nothing is made.
        shared = min(features.shape[1], self.centres.shape[1])
        mean, spread = self.mean[:shared], self.spread[:shared]
        values, centres = (features[:, :shared] - mean) / spread, (self.centres[:, :shared] - mean) / spread
        squares = _squares(values, centres)
        return Nearest(squares.argmin(axis=1).astype(np.int8), np.sqrt(squares))

    def encode(self) -> bytes:
        """Encode the clusters: 8 bytes a number, 964 for eight features."""
        columns = (self.centres, self.mean, self.spread, self.sizes)
        return _HEAD.pack(*self.centres.shape) + b"".join(part.astype("<f8").tobytes() for part in columns)

    @classmethod
    def decode(cls, data: bytes) -> Clusters:
        """Decode what `encode` wrote.

        Raises:
            ValueError: The bytes are of another length, or hold impossible numbers.
        """
        if len(data) < _HEAD.size:
            raise ValueError(f"clusters of {len(data)} bytes")
        count, width = _HEAD.unpack_from(data)
        if (
            count != CLUSTERS
            or not width
            or len(data) != _HEAD.size + 8 * (count * width + 2 * width + count)
        ):
            raise ValueError(f"clusters of {len(data)} bytes for {count} centres of {width} features")
        held = np.frombuffer(data, "<f8", offset=_HEAD.size).astype(np.float64)
        centres, mean, spread, sizes = np.split(held, np.cumsum([count * width, width, width]))
        if not np.all(np.isfinite(held)) or np.any(spread <= 0) or np.any(sizes < 0):
            raise ValueError("clusters hold numbers that no customers give")
        return cls(centres.reshape(count, width), mean, spread, sizes.astype(np.int64))


def _scale(features: Integers) -> tuple[Reals, Reals]:
    """Return the (f,) mean and standard deviation of features, from sums that are exact."""
    count = len(features)
    sums, squares = features.sum(axis=0), (features * features).sum(axis=0)
    mean = sums / count
    spread = np.sqrt(np.maximum(squares / count - mean * mean, 0))
    # A feature that is the same for all tells nobody apart, and must divide by something.
    return mean, np.where(spread > 0.5, spread, float(SCALE))


def _squares(values: Reals, centres: Reals) -> Reals:
    """Return the (n, k) squared distances, added feature by feature, as no BLAS would."""
    squares = np.zeros((len(values), len(centres)))
    for value, centre in zip(values.T, centres.T, strict=True):
        away = value[:, None] - centre
        squares += away * away
    return squares


def _step(features: Integers, values: Reals, raw: Reals, centres: Reals) -> tuple[Reals, Integers]:
    """Move each centre to the mean of the customers nearest to it; one without any stays.

    Args:
        features: (n, f) features, 1/1,024.
        values: (n, g) standardised features by which customers are dealt out.
        raw: (8, f) centres in units of `features`.
        centres: (8, g) the same centres, standardised.

    Returns:
        (8, f) centres, and the (8,) customers of each.
    """
    members = _squares(values, centres).argmin(axis=1)
    sizes = np.bincount(members, minlength=CLUSTERS)
    # Whole numbers below 2^53, which floats add exactly.
    sums = np.stack([np.bincount(members, column, CLUSTERS) for column in features.T], axis=1)
    return np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], raw), sizes
