"""Standard normal distribution, vectorised, in numpy alone."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NUMERATOR = (
    3.52624965998911e-02,
    0.700383064443688,
    6.37396220353165,
    33.912866078383,
    112.079291497871,
    221.213596169931,
    220.206867912376,
)
DENOMINATOR = (
    8.83883476483184e-02,
    1.75566716318264,
    16.064177579207,
    86.7807322029461,
    296.564248779674,
    637.333633378831,
    793.826512519948,
    440.413735824752,
)
"""Coefficients of Hart's rational approximation of the tail over the density, highest power first."""
SPLIT = 7.07106781186547
"""Bound 10 / sqrt(2), beyond which a continued fraction is the better approximation."""


def cdf(z: ArrayLike) -> NDArray[np.float64]:
    """Compute P(Z <= z) of a standard normal Z, within 1e-14 [1]_.

    >>> print(np.round(cdf([-1.959963984540054, 0.0, 1.0]), 10))
    [0.025      0.5        0.84134475]

    References:
        .. [1] West (2005). Better approximations to cumulative normal functions. Wilmott, May, 70-76;
           after Hart et al. (1968). Computer Approximations. Algorithm 5666 for the error function.
    """
    at = np.asarray(z, np.float64)
    tail = _upper_tail(np.abs(at))
    return np.where(at > 0, 1 - tail, tail)


_GRID = np.arange(-38.0, 38.0, 1 / 256)


def quantile(share: ArrayLike) -> NDArray[np.float64]:
    """Compute the z with P(Z <= z) = `share`, within 1e-5 between 1e-7 and 1 - 1e-7, by interpolation.

    >>> print(np.round(quantile([0.025, 0.5, 0.9]), 4))
    [-1.96    0.      1.2816]
    """
    found: NDArray[np.float64] = np.interp(np.asarray(share, np.float64), _chances(), _GRID)
    return found


@lru_cache(maxsize=1)
def _chances() -> NDArray[np.float64]:
    return cdf(_GRID)


def survival(z: ArrayLike) -> NDArray[np.float64]:
    """Compute P(Z > z) without losing digits far out.

    >>> print(f"{survival(8.0):.4e}")
    6.2210e-16
    """
    return cdf(-np.asarray(z, np.float64))


def _upper_tail(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute P(Z > z) for z >= 0."""
    size = np.minimum(z, 38.0)  # exp(-38^2 / 2) is the smallest value that float64 distinguishes from 0
    above = np.zeros_like(size)
    below = np.zeros_like(size)
    for coefficient in NUMERATOR:
        above = above * size + coefficient
    for coefficient in DENOMINATOR:
        below = below * size + coefficient
    ratio = above / below
    far = size > SPLIT
    if np.any(far):
        out = np.where(far, size, SPLIT)
        fraction = out + 1 / (out + 2 / (out + 3 / (out + 4 / (out + 0.65))))
        ratio = np.where(far, 1 / (fraction * np.sqrt(2 * np.pi)), ratio)
    return np.exp(-size * size / 2) * ratio
