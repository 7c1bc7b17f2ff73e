"""Times of a partition's batches: how long the agent takes, and how long until all is acknowledged."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.clock import Clock
    from streams.metrics import Counts


class BatchTimer:
    """Times one batch at a time with the agent, and those whose steps are not acknowledged yet.

    Args:
        clock: Measures the times.
        counts: The worker's counters, which keep them.
    """

    def __init__(self, clock: Clock, counts: Counts) -> None:
        self._clock = clock
        self._counts = counts
        self._taken_up = 0.0
        self._unacknowledged: deque[tuple[int, float]] = deque()
        """Number of the last step of each batch, and when the batch was handed over."""
        self.handed_over: float | None = None
        """When the batch that the agent has was handed over; None while it has none."""

    def hand_over(self) -> None:
        """Note that a batch is handed to the agent."""
        self.handed_over = self._taken_up = self._clock.elapsed()

    def take_up(self) -> None:
        """Note that the agent took the batch up."""
        self._taken_up = self._clock.elapsed()

    def finish(self) -> None:
        """Note that the agent got through the batch."""
        self._counts.applying.observe(self._clock.elapsed() - self._taken_up)

    def put_down(self) -> None:
        """Note that the agent has no batch any more."""
        self.handed_over = None

    def computed(self, step: int, handed_over: float | None) -> None:
        """Note the number of a batch's step, for the time at which it is acknowledged."""
        if handed_over is not None:
            self._unacknowledged.append((step, handed_over))

    def acknowledged(self, step: int) -> None:
        """Time the batches of which every step up to a number is acknowledged."""
        if not self._unacknowledged:
            return
        now = self._clock.elapsed()
        while self._unacknowledged and self._unacknowledged[0][0] <= step:
            self._counts.delivering.observe(now - self._unacknowledged.popleft()[1])
