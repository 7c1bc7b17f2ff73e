"""Times of a partition's batches: time with the agent, and time until all output is acknowledged."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.clock import Clock
    from streams.metrics import Counts


class BatchTimer:
    """Timer of the batch that the agent has, and of the batches whose steps are not acknowledged yet.

    Args:
        clock: Clock that measures the times.
        counts: Counters of the worker, which store the times.
    """

    def __init__(self, clock: Clock, counts: Counts) -> None:
        self._clock = clock
        self._counts = counts
        self._taken_up = 0.0
        self._unacknowledged: deque[tuple[int, float]] = deque()
        """Number of the last step of each batch, and the moment at which the batch was handed over."""
        self.handed_over: float | None = None
        """Moment at which the agent's current batch was handed over; None while the agent has none."""

    def hand_over(self) -> None:
        """Note that a batch is handed to the agent."""
        self.handed_over = self._taken_up = self._clock.elapsed()

    def take_up(self) -> None:
        """Note that the agent took up the batch."""
        self._taken_up = self._clock.elapsed()

    def finish(self) -> None:
        """Note that the agent finished the batch."""
        self._counts.applying.observe(self._clock.elapsed() - self._taken_up)

    def put_down(self) -> None:
        """Note that the agent has no batch any more."""
        self.handed_over = None

    def computed(self, step: int, handed_over: float | None) -> None:
        """Store the number of a batch's last step, so that its acknowledgement can be timed."""
        if handed_over is not None:
            self._unacknowledged.append((step, handed_over))

    def acknowledged(self, step: int) -> None:
        """Observe the time of every batch whose steps, up to this number, are all acknowledged."""
        if not self._unacknowledged:
            return
        now = self._clock.elapsed()
        while self._unacknowledged and self._unacknowledged[0][0] <= step:
            self._counts.delivering.observe(now - self._unacknowledged.popleft()[1])
