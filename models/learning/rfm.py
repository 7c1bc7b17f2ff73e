"""Recency, frequency and money (RFM): a customer's rank among all customers, and the resulting segment.

A customer's score in each of the three measures is the quintile by mid-rank, and the scores determine the
segment. Ranks come from integer histograms. Every change of a customer removes the old value from the
histograms and adds the new one. Ranks are exact up to a bucket, whatever the order of updates, and equal to
ranks from histograms built anew. Recency is ranked by the *time* of the last purchase: ranks stay right while
nobody buys anything, and need no timer.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from models.contracts.events import Segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Scores = NDArray[np.int8]

SEGMENTS: tuple[str, ...] = get_args(Segment)
"""Segments from best to worst. A label is an index into this tuple."""
_CHAMPIONS, _LOYAL, _POTENTIAL_LOYALISTS, _NEW, _PROMISING, _NEEDS_ATTENTION, _AT_RISK, _HIBERNATING = map(
    SEGMENTS.index,
    (
        "Champions",
        "Loyal Customers",
        "Potential Loyalists",
        "New Customers",
        "Promising",
        "Needs Attention",
        "At Risk",
        "Hibernating",
    ),
)
"""Labels by name, so that the table of labels reads like the table in docs/models.md."""

DAY_MS = 86_400_000
FINE_MS = 300_000
"""Width of a bucket of young last purchases, five minutes in ms: one evening may hold a tenth of a grocer's
customers."""
FINE_A_DAY = DAY_MS // FINE_MS
FINE_DAYS = 32
"""Greatest age of young last purchases, in days. Most customers of a grocer are young by this measure."""
COARSE_MS = 3_600_000
"""Width of a bucket of older last purchases, an hour in ms."""
COARSE_A_DAY = DAY_MS // COARSE_MS
COARSE_DAYS = 4 * 366
"""Days counted by the hour. All older purchases share one bucket, which may hold a fifth of the
population."""
EXACT_BITS = 10
"""Bits of amounts with a bucket each (below 2^10). Above, a doubling has 2^9 buckets, .2 % wide at most."""
AMOUNT_BITS = 40
"""Bits of counted amounts. Amounts of 2^40 and more (11 billion in cents) share the last bucket."""
SPEND_STEP = 100
"""Ratio of 1/100 of the currency, in which spend is counted, to 1/10,000, in which spend is given."""
LOWEST = np.iinfo(np.int64).min


class RfmScores(NamedTuple):
    """Measures by which k customers are ranked. A customer with frequency 0 is not, or no longer, ranked."""

    last_purchase: Integers
    """(k,) ms since 1970 UTC."""
    frequency: Integers
    """(k,) purchase days."""
    spend: Integers
    """(k,) 1/10,000 of the currency."""


class Thresholds(NamedTuple):
    """Four ascending cuts per measure. A score is 1 plus the number of cuts at or below the value."""

    last_purchase: tuple[int, ...]
    frequency: tuple[int, ...]
    spend: tuple[int, ...]

    def scores(self, standing: RfmScores) -> tuple[Scores, Scores, Scores]:
        """Return (k,) scores from 1 to 5, 5 the best, for recency, frequency and money.

        >>> cuts = Thresholds((10, 20, 30, 40), (2, 4, 8, 16), (100, 200, 300, 400))
        >>> [int(s[0]) for s in cuts.scores(RfmScores(*(np.array([v]) for v in (30, 1, 999))))]
        [4, 1, 5]
        """
        recency, frequency, money = (
            (np.searchsorted(cuts, values, side="right") + 1).astype(np.int8)
            for cuts, values in zip(self, standing, strict=True)
        )
        return recency, frequency, money


class Histograms:
    """Counts of customers by last purchase, frequency and spend.

    Args:
        day_start_ms: Instant from which ages are counted, ms since 1970 UTC, such as the start of the
            business day that a boundary opens. The instant decides which last purchases are young.

    Examples:
        >>> day = 17_200 * DAY_MS
        >>> k = np.arange(100)
        >>> shop = Histograms(day)
        >>> shop.add(RfmScores(day - k * COARSE_MS, 1 + k, 50_000 * k))
        >>> cuts = shop.thresholds(minimum_population=50)
        >>> cuts.frequency
        (21, 41, 61, 81)
        >>> recency, frequency, money = cuts.scores(RfmScores(day - k[:1] * COARSE_MS, 1 + k[:1], k[:1]))
        >>> SEGMENTS[label(recency, frequency, money)[0]]
        'New Customers'
    """

    def __init__(self, day_start_ms: int) -> None:
        self._fine_day = _fine_day(day_start_ms)
        self._fine = np.zeros(FINE_A_DAY * (FINE_DAYS + 8), np.int64)
        self._coarse = np.zeros(1 + COARSE_A_DAY * COARSE_DAYS, np.int64)
        self._frequency = np.zeros(_bucket(np.array([1 << AMOUNT_BITS]))[0] + 1, np.int64)
        self._spend = np.zeros_like(self._frequency)
        self._undo: list[Callable[[], None]] = []
        """Inverse of each change since `mark`, oldest first."""

    @classmethod
    def build(cls, standing: RfmScores, day_start_ms: int) -> Histograms:
        """Count all customers at once. The result equals histograms that were updated change by change."""
        histograms = cls(day_start_ms)
        histograms.add(standing)
        histograms.mark()
        return histograms

    @property
    def population(self) -> int:
        """Count of the customers in the histograms."""
        return int(self._frequency.sum())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histograms):
            return NotImplemented
        return (
            self._fine_day == other._fine_day
            and np.array_equal(np.trim_zeros(self._fine, "b"), np.trim_zeros(other._fine, "b"))
            and np.array_equal(self._coarse, other._coarse)
            and np.array_equal(self._frequency, other._frequency)
            and np.array_equal(self._spend, other._spend)
        )

    __hash__ = None  # type: ignore[assignment]  # a histogram changes

    def move(self, old: RfmScores, new: RfmScores) -> None:
        """Move customers from their old measures to their new ones.

        Args:
            old: Measures counted so far; frequency 0 for new customers.
            new: Measures from now on.
        """
        for standing, sign in ((old, -1), (new, 1)):
            self._count(standing, sign)
            self._undo.append(partial(self._count, standing, -sign))

    def add(self, standing: RfmScores) -> None:
        """Count customers who were not counted before."""
        self._count(standing, 1)
        self._undo.append(partial(self._count, standing, -1))

    def mark(self) -> None:
        """Set the state to which `undo` returns. An earlier mark is forgotten."""
        self._undo.clear()

    def undo(self) -> None:
        """Take back every change since `mark`.

        Changes are kept as moves, because a copy of the counts has 635 KB and takes 0.1 ms, which is a tenth
        of the smallest step's time.
        """
        while self._undo:
            self._undo.pop()()

    def roll(self, day_start_ms: int) -> None:
        """Move time forward.

        Purchases now older than `FINE_DAYS` are counted by the hour, and the oldest share one bucket. The
        result depends on the customers and the last `day_start_ms` alone. Going back does nothing.

        Args:
            day_start_ms: Instant from which ages are counted from now on, ms since 1970 UTC.
        """
        passed = _fine_day(day_start_ms) - self._fine_day
        if passed <= 0:
            return
        self._undo.append(partial(self._restore, self._fine_day, self._fine, self._coarse))
        young, hours = passed * FINE_A_DAY, passed * COARSE_A_DAY
        self._reach(young - 1)
        aged = self._fine[:young].reshape(hours, -1).sum(axis=1)
        coarse = np.concatenate([self._coarse, aged])
        self._coarse = np.append(coarse[: hours + 1].sum(), coarse[hours + 1 :])
        self._fine = np.append(self._fine[young:], np.zeros(young, np.int64))
        self._fine_day += passed

    def _restore(self, fine_day: int, fine: Integers, coarse: Integers) -> None:
        self._fine_day, self._fine, self._coarse = fine_day, fine, coarse

    def thresholds(self, minimum_population: int = 1) -> Thresholds | None:
        """Compute the cuts of the quintile score 1 + floor(5 (less + equal/2) / n), at most 5.

        Args:
            minimum_population: Customers needed for a ranking.

        Returns:
            The cuts; None with fewer customers than needed.
        """
        if self.population < max(minimum_population, 1):
            return None
        recency = np.concatenate([self._coarse, self._fine])
        return Thresholds(
            tuple(self._instant(bucket) for bucket in _cuts(recency)),
            tuple(_least(bucket) for bucket in _cuts(self._frequency)),
            tuple(max(_least(bucket) * SPEND_STEP, LOWEST) for bucket in _cuts(self._spend)),
        )

    def _count(self, standing: RfmScores, sign: int) -> None:
        here = standing.frequency > 0
        age = standing.last_purchase[here] - self._fine_day * DAY_MS
        young = age >= 0
        if np.any(young):
            self._reach(int(age.max()) // FINE_MS)
        # All places first: what allocates may raise, and nothing must have changed by then.
        places = (
            (self._fine, age[young] // FINE_MS),
            (self._coarse, np.maximum(len(self._coarse) + age[~young] // COARSE_MS, 0)),
            (self._frequency, _bucket(standing.frequency[here])),
            (self._spend, _bucket(standing.spend[here] // SPEND_STEP)),
        )
        for counts, at in places:
            np.add.at(counts, at, sign)

    def _reach(self, bucket: int) -> None:
        """Make room for a later time than any before."""
        if bucket >= len(self._fine):
            self._fine = np.append(self._fine, np.zeros(bucket + 1 - len(self._fine), np.int64))

    def _instant(self, bucket: int) -> int:
        """Return the earliest time in a bucket of (coarse, fine), ms since 1970 UTC."""
        if bucket == 0:
            return LOWEST
        behind = bucket - len(self._coarse)
        return self._fine_day * DAY_MS + behind * (COARSE_MS if behind < 0 else FINE_MS)


def label(recency: Scores, frequency: Scores, money: Scores) -> Scores:
    """Return each customer's index into `SEGMENTS`, from scores 1 to 5.

    Frequency and money count as one score, floor((F + M + 1) / 2).

    >>> five, four, one = (np.array([s], np.int8) for s in (5, 4, 1))
    >>> SEGMENTS[label(five, four, five)[0]], SEGMENTS[label(one, one, one)[0]]
    ('Champions', 'Hibernating')
    """
    labels: Scores = LABELS[recency, (frequency + money + 1) // 2]
    return labels


def _label_table() -> Scores:
    """Build the (6, 6) table of labels by (recency score, frequency-money score).

    Row 0 and column 0 are unused, because scores begin at 1.
    """
    table = np.full((6, 6), _HIBERNATING, np.int8)
    table[5, 4:] = _CHAMPIONS
    table[3:5, 4:] = _LOYAL
    table[4:, 2:4] = _POTENTIAL_LOYALISTS
    table[5, 1] = _NEW
    table[4, 1] = _PROMISING
    table[3, 1:4] = _NEEDS_ATTENTION
    table[1:3, 3:] = _AT_RISK
    return table


LABELS = _label_table()


def _fine_day(day_start_ms: int) -> int:
    """Return the first day (of 24 h, since 1970 UTC) whose purchases are young."""
    return day_start_ms // DAY_MS - FINE_DAYS


def _bucket(amounts: Integers) -> Integers:
    """Return the bucket of each amount.

    Amounts below 2^10 have a bucket each; above, a doubling has 2^9 buckets. Negative amounts share bucket 0.
    """
    capped = np.clip(amounts, 0, 1 << AMOUNT_BITS)
    shift = np.maximum(np.frexp(capped.astype(np.float64))[1].astype(np.int64) - EXACT_BITS, 0)
    return (shift << (EXACT_BITS - 1)) + (capped >> shift)


def _least(bucket: int) -> int:
    """Return the least amount in a bucket. The first bucket has no lower bound."""
    half = 1 << (EXACT_BITS - 1)
    shift = max(bucket // half - 1, 0)
    return (bucket - shift * half) << shift if bucket else LOWEST


def _cuts(counts: Integers) -> list[int]:
    """Return the first bucket of each score 2 to 5; one past the end for a score without a bucket."""
    before = np.cumsum(counts) - counts
    total = int(counts.sum())
    scores = 1 + 5 * (2 * before + counts) // (2 * total)
    return [int(np.searchsorted(scores, score, side="left")) for score in range(2, 6)]
