"""BG/NBD with Gamma-Gamma: purchases and spend to come, fitted by maximum likelihood.

Fader, Hardie, Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2); Fader, Hardie
(2013), The Gamma-Gamma model of monetary value. Times are weeks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln
from scipy.stats import beta

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

MOST_LOG: Final = 7.0
"""Parameters lie between exp(-7) and exp(7), so that a flat likelihood leads to no overflow."""
POINTS: Final = 64
"""Quantiles of the chance of leaving over which expectations are taken."""


class Past(NamedTuple):
    """Customers up to a day, one entry each."""

    repeats: Reals
    """Purchase days after the first."""
    last: Reals
    """Weeks from the first purchase to the last."""
    age: Reals
    """Weeks from the first purchase to the day."""
    value: Reals
    """Mean spend of a purchase day."""


class Future(NamedTuple):
    """Forecasts for some weeks, one entry each."""

    active: Reals
    """Chance of one purchase or more."""
    purchases: Reals
    spend: Reals


def forecast(past: Past, weeks: float) -> Future:
    """Fit both models and forecast some weeks."""
    r, alpha, a, b = np.exp(_least(lambda logs: _bg_nbd(past, logs), [0.0, 1.0, -1.0, 1.0]))
    paid = past.value > 0
    p, above, v = np.exp(_least(lambda logs: _gamma_gamma(past, paid, logs), [1.0, 1.0, 3.0]))
    x, last, age = past.repeats, past.last, past.age
    # (k,) P(alive); a customer with no repeat purchase is alive for sure in this model
    odds = np.where(x > 0, a / np.maximum(b + x - 1, 1e-9), 0) * ((alpha + age) / (alpha + last)) ** (r + x)
    alive = 1 / (1 + odds)
    active = alive * -np.expm1((r + x) * np.log((alpha + age) / (alpha + age + weeks)))
    # (k,) purchases of the living: the closed form divides by a - 1, so the chance of leaving is integrated
    shares = (np.arange(POINTS) + 0.5) / POINTS
    leaving = np.maximum(beta.ppf(shares[:, None], a, b + x), 1e-9)
    left = np.exp((r + x) * np.log((alpha + age) / (alpha + age + leaving * weeks)))
    purchases = alive * np.mean((1 - left) / leaving, axis=0)
    weight = p * (x + 1) / (p * (x + 1) + above)
    return Future(active, purchases, purchases * (weight * past.value + (1 - weight) * p * v / above))


def _least(loss: object, start: list[float]) -> Reals:
    found: Reals = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-7}).x
    return np.clip(found, -MOST_LOG, MOST_LOG)


def _bg_nbd(past: Past, logs: Reals) -> float:
    r, alpha, a, b = np.exp(np.clip(logs, -MOST_LOG, MOST_LOG))
    x = past.repeats
    first = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    first += betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + past.age)
    ratio = (
        np.log(a)
        - np.log(np.maximum(b + x - 1, 1e-9))
        + (r + x) * np.log((alpha + past.age) / (alpha + past.last))
    )
    return -float(np.mean(first + np.where(x > 0, np.logaddexp(0, ratio), 0)))


def _gamma_gamma(past: Past, paid: NDArray[np.bool_], logs: Reals) -> float:
    p, above, v = np.exp(np.clip(logs, -MOST_LOG, MOST_LOG))
    q = 1 + above  # below 1 there is no mean
    x, value = past.repeats[paid] + 1, past.value[paid]
    likelihood = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(v)
    likelihood += (p * x - 1) * np.log(value) + p * x * np.log(x) - (p * x + q) * np.log(x * value + v)
    return -float(np.mean(likelihood))
