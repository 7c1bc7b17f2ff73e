"""Invented customers, each a function of the seed and a number: their traits, and their purchases on a day.

Nothing is stored about a customer. Every trait is computed anew from a hash of (seed, trait, customer, ...)
whenever a day needs it. Any day of any customer can therefore be computed alone, and the truth behind the
data is known exactly.

**Traits.** A customer is `heavy` (10 %), `regular` (50 %) or `occasional` (40 %), and has 2 to 6 habits.
The habit in slot s is one of eight categories of group s, the earlier ones likelier. A category has a
typical interval of 4 to 40 days, log-uniform; a habit's own interval is

    m = typical x (0.5, 1 or 2 by class) x exp(0.35 z),  z standard normal, m cut to 2 to 90 days

**Purchases.** The j-th purchase of a habit is on day floor(anchor + (phase + j + w (u_j - 1/2)) m), with
phase and u_j uniform on 0 to 1 and the customer's irregularity w uniform on 0.1 to 0.8. So the time
between two purchases has mean m, standard deviation w m / sqrt(6) and a triangular distribution, before
days are cut off. Neighbouring times are correlated by -1/2: the purchases follow a rhythm, and are no
renewal process.

**Changes.** A share of customers joins in the first half, a share leaves for good in the last two thirds,
and a share changes its habits on a day of the middle third: every m is then halved or doubled, and the
habits begin anew.

**Lift.** On each trip one of six extras is considered, each with the same chance. The extra is bought with
probability 0.3 where the trip has nothing of its group, and 0.3 x lift where it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.sources.synthetic.process import Process

SLOTS: Final = 6
"""Habits that a customer may have, and groups of categories."""
GROUP: Final = 8
"""Categories of a group."""
CLASSES: Final = ("heavy", "regular", "occasional")
EXTRA_CHANCE: Final = 0.3
"""Probability of an extra on a trip without anything of the extra's group."""

_CLASS_BOUNDS: Final = (0.1, 0.6)
_PACE: Final = np.array([0.5, 1.0, 2.0])
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Truth:
    """Traits of n customers. Days count from 0, the first day."""

    classes: NDArray[np.int64]
    """(n,) places in `CLASSES`."""
    irregularity: NDArray[np.float64]
    """(n,) irregularity w."""
    joins: NDArray[np.int64]
    """(n,) first day on which the customer may buy."""
    leaves: NDArray[np.int64]
    """(n,) first day on which the customer buys no more; the number of days for customers who stay."""
    drifts: NDArray[np.int64]
    """(n,) day on which the habits change; the number of days for customers whose habits stay."""
    drift_factor: NDArray[np.float64]
    """(n,) factor of every interval from that day on; 1 for customers whose habits stay."""
    habits: NDArray[np.bool_]
    """(n, 6) True where a slot is in use."""
    categories: NDArray[np.int64]
    """(n, 6) category of each slot, 0 to 47."""
    intervals: NDArray[np.float64]
    """(n, 6) interval m before any change, days."""


@dataclass(frozen=True, slots=True)
class Trips:
    """Purchases of some customers on one day; customers who buy nothing are left out."""

    customers: NDArray[np.int64]
    """(t,) numbers of the customers."""
    bought: NDArray[np.bool_]
    """(t, 6) True for slots of which something is bought."""
    categories: NDArray[np.int64]
    """(t, 6) category of each slot, 0 to 47."""
    extras: NDArray[np.int64]
    """(t,) extra that is bought, -1 for none."""


def hashed(seed: int, trait: int, *keys: NDArray[np.int64] | int) -> NDArray[np.uint64]:
    """Return 64 bits for every combination of the keys: splitmix64's finaliser [1] over each key.

    [1] Steele, Lea, Flood (2014). Fast splittable pseudorandom number generators. OOPSLA.

    Args:
        seed: Seed of the process.
        trait: Number of the trait.
        keys: Customers, days, ..., which are broadcast.
    """
    state = _mixed(np.array(seed * 1_000 + trait, np.uint64))
    for key in keys:
        state = _mixed(state ^ (np.asarray(key).astype(np.uint64) * _GOLDEN))
    return state


def uniform(seed: int, trait: int, *keys: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """Return numbers uniform on [0, 1), a function of the arguments alone."""
    return (hashed(seed, trait, *keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def truth(process: Process, customers: NDArray[np.int64]) -> Truth:
    """Return the traits of some customers.

    Args:
        process: Parameters of the invented purchases.
        customers: (n,) numbers of customers.
    """
    seed, days = process.seed, process.days
    slots = np.arange(SLOTS)
    each, habit = customers, customers[:, None]
    # Stage 1: (n,) classes, and (n, 6) habits: category, typical interval and a normal deviation of each
    # slot.
    classes = np.searchsorted(_CLASS_BOUNDS, uniform(seed, 1, each), side="right")
    count = 2 + np.floor(5 * uniform(seed, 2, each)).astype(np.int64)
    categories = GROUP * slots + np.floor(GROUP * uniform(seed, 3, habit, slots) ** 1.6).astype(np.int64)
    typical = 4.0 * 10.0 ** uniform(seed, 4, categories)
    normal = np.sqrt(-2 * np.log1p(-uniform(seed, 5, habit, slots))) * np.cos(
        2 * np.pi * uniform(seed, 6, habit, slots)
    )
    # Stage 2: (n,) True for customers who join late, leave, or change their habits.
    joins = uniform(seed, 7, each) < process.newcomers
    leaves = uniform(seed, 8, each) < process.leavers
    drifts = uniform(seed, 9, each) < process.drift
    # Stage 3: the traits. A slot is in use if its random rank is below the customer's number of habits.
    return Truth(
        classes=classes,
        irregularity=0.1 + 0.7 * uniform(seed, 10, each),
        joins=np.where(joins, uniform(seed, 11, each) * days / 2, 0).astype(np.int64),
        leaves=np.where(leaves, (1 + 2 * uniform(seed, 12, each)) * days / 3, days).astype(np.int64),
        drifts=np.where(drifts, (1 + uniform(seed, 13, each)) * days / 3, days).astype(np.int64),
        drift_factor=np.where(drifts, np.where(uniform(seed, 14, each) < 0.5, 0.5, 2.0), 1.0),
        habits=(uniform(seed, 15, habit, slots).argsort(axis=1).argsort(axis=1) < count[:, None]),
        categories=categories,
        intervals=np.clip(typical * _PACE[classes][:, None] * np.exp(0.35 * normal), 2, 90),
    )


def trips(process: Process, customers: NDArray[np.int64], day: int) -> Trips:
    """Return the purchases of some customers on a day.

    Args:
        process: Parameters of the invented purchases.
        customers: (n,) numbers of customers.
        day: Day, counted from 0.
    """
    known = truth(process, customers)
    changed = day >= known.drifts
    anchor = np.where(changed, known.drifts, 0)[:, None]
    lengths = known.intervals * np.where(changed, known.drift_factor, 1.0)[:, None]
    due = _due(process.seed, customers, known, day - anchor, lengths)
    bought = due & known.habits & ((known.joins <= day) & (day < known.leaves))[:, None]
    goes = np.flatnonzero(bought.any(axis=1))
    customers, bought = customers[goes], bought[goes]
    return Trips(customers, bought, known.categories[goes], _extras(process, customers, bought, day))


def _due(
    seed: int,
    customers: NDArray[np.int64],
    known: Truth,
    since: NDArray[np.int64],
    lengths: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return (n, 6) True where a purchase of a slot falls on the day `since` days behind its anchor."""
    slots, habit = np.arange(SLOTS), customers[:, None]
    # A purchase moves by less than half an interval, so only the four nearest numbers j can fall on the day.
    phase = uniform(seed, 16, habit, slots)
    near = np.floor(since / lengths - phase).astype(np.int64)
    changed = (lengths != known.intervals).astype(np.int64)
    due = np.zeros(lengths.shape, np.bool_)
    for step in (-1, 0, 1, 2):
        place = near + step
        jitter = uniform(seed, 17, habit, slots, place, changed) - 0.5
        at = (phase + place + known.irregularity[:, None] * jitter) * lengths
        due |= (place >= 0) & (np.floor(at) == since)
    return due


def _extras(
    process: Process, customers: NDArray[np.int64], bought: NDArray[np.bool_], day: int
) -> NDArray[np.int64]:
    thought = np.floor(SLOTS * uniform(process.seed, 18, customers, day)).astype(np.int64)
    belongs = bought[np.arange(len(customers)), thought]
    chance = EXTRA_CHANCE * np.where(belongs, process.lift, 1.0)
    return np.where(uniform(process.seed, 19, customers, day) < chance, thought, -1)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = state + _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))
