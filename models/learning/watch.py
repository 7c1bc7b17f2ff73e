"""Watch over what the models say: Page's test [1]_ on how far outcomes are from the chances that were said.

At each boundary the outcomes that became known give two numbers, both of mean 0 and spread 1 while the
chances are right: the sum of outcome less chance (calibration), and of squared error less what it should be
(loss). The test goes off when such a number stays away from its own mean.

The test is River's `drift.PageHinkley`, number for number (a test holds both beside each other). River's own
class is not imported because `river.drift` brings `scipy.stats` with it, which takes a second and a half.

References:
    .. [1] Page (1954). Continuous inspection schemes. Biometrika 41, 100-115.
"""

from __future__ import annotations

import struct
from math import inf, isnan, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_BOUNDARIES: Final = 3
"""Numbers that must be known before the test can go off."""
SLACK: Final = 0.3
"""Distance from the mean that does not count, standard deviations."""
THRESHOLD: Final = 4.0
"""Sum at which the test goes off. With River's own settings (slack .005, threshold 50) it never does here."""
FADED: Final = 1 - 0.0001
"""Share of a sum that is left at the next number."""
LEAST_OUTCOMES: Final = 10
"""Outcomes at a boundary below which they are not judged."""
_PACK: Final = struct.Struct("<6d")


class PageHinkley(NamedTuple):
    """State of the test on one series of numbers.

    >>> test, found = PageHinkley(), []
    >>> for number in [0.1, -0.2, 0.0, 0.1, 2.0, 2.5, 2.2, 1.9]:
    ...     test = test.after(number)
    ...     found.append(test.alarm)
    >>> found
    [False, False, False, False, False, False, False, True]
    """

    numbers: float = 0.0
    mean: float = 0.0
    increase: float = 0.0
    decrease: float = 0.0
    least: float = inf
    most: float = -1.0
    alarm: bool = False
    """True if the last number made the test go off; with the next one it begins anew."""

    def after(self, number: float) -> PageHinkley:
        """Return the test after another number."""
        old = PageHinkley() if self.alarm else self
        count = old.numbers + 1
        mean = old.mean + (number - old.mean) / count
        increase = FADED * old.increase + (number - mean) - SLACK
        decrease = FADED * old.decrease + (number - mean) + SLACK
        least, most = min(old.least, increase), max(old.most, decrease)
        far = increase - least > THRESHOLD or most - decrease > THRESHOLD
        return PageHinkley(count, mean, increase, decrease, least, most, count >= LEAST_BOUNDARIES and far)


class Watch(NamedTuple):
    """Tests of one model, on its calibration and on its loss."""

    calibration: PageHinkley = PageHinkley()
    loss: PageHinkley = PageHinkley()

    @property
    def alarm(self) -> bool:
        """True if the last boundary made one of the tests go off."""
        return self.calibration.alarm or self.loss.alarm

    def after(self, said: NDArray[np.float64], happened: NDArray[np.bool_]) -> Watch:
        """Return the tests after the outcomes of a boundary; of few outcomes nothing is learnt.

        Args:
            said: (n,) chances that were said.
            happened: (n,) True where it came true.
        """
        if len(said) < LEAST_OUTCOMES:
            return Watch(*(PageHinkley() if test.alarm else test for test in self))
        # Chances in steps of 1/4,096, so that sums are exact in any order.
        steps = np.clip(np.rint(said * 4096), 1, 4095).astype(np.int64)
        off, expected = np.where(happened, 4096, 0) - steps, steps * (4096 - steps)
        error = off * off - expected
        spread = int(expected.sum()) / 4096**2
        loss_spread = int((expected // 4096 * (4096 - 2 * steps) ** 2).sum()) / 4096**3
        return Watch(
            self.calibration.after(int(off.sum()) / 4096 / sqrt(spread)),
            self.loss.after(int(error.sum()) / 4096**2 / sqrt(loss_spread) if loss_spread else 0.0),
        )


class Watches(NamedTuple):
    """Watches over the models whose outcomes a partition sees."""

    alerts: Watch = Watch()
    """Chance that an alert's window holds a purchase."""
    week: Watch = Watch()
    """Chance of a purchase within 7 days."""
    activity: Watch = Watch()
    """Chance of a purchase within 90 days."""

    def encode(self) -> bytes:
        """Encode all tests, 294 bytes."""
        return b"".join(_PACK.pack(*test[:6]) + bytes([test.alarm]) for watch in self for test in watch)

    @classmethod
    def decode(cls, data: bytes) -> Watches:
        """Decode what `encode` wrote.

        Raises:
            ValueError: The bytes are of another length, or hold impossible numbers.
        """
        size = _PACK.size + 1
        if len(data) != 2 * len(cls._fields) * size:
            raise ValueError(f"watches of {len(data)} bytes instead of {2 * len(cls._fields) * size}")
        tests = []
        for at in range(0, len(data), size):
            count, mean, increase, decrease, least, most = _PACK.unpack_from(data, at)
            if any(map(isnan, (count, mean, increase, decrease, least, most))) or count < 0:
                raise ValueError("watches hold numbers that no outcomes give")
            alarm = bool(data[at + size - 1])
            tests.append(PageHinkley(count, mean, increase, decrease, least, most, alarm))
        return cls(*(Watch(*tests[at : at + 2]) for at in range(0, len(tests), 2)))
