"""The lease: proof, good for half a session, that nobody else owns our partitions.

A worker that was stopped, swapped out or cut off does not know that its partitions went to another. What it
knows is when it last asked the group to commit and the group agreed: at that moment nobody else owned them,
and the group waits a whole session before it gives them away. So for half a session after the asking it is
safe to send, and not one step later.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.clock import Clock


class Revoked(Exception):  # noqa: N818 - it is no error, but the end of an epoch
    """The partition is no longer ours: whoever wanted to send for it has to drop what it holds."""


class Lease:
    """One group generation's lease; a new assignment gets a new one, which nothing has renewed yet.

    Args:
        clock: measures how long ago a commit was asked for.
        session: the group's session timeout, in seconds; the lease is good for half of it.
    """

    def __init__(self, clock: Clock, session: float) -> None:
        self._clock = clock
        self._span = session / 2
        self._until = float("-inf")
        self._renewed = asyncio.Event()

    @property
    def remaining(self) -> float:
        """Seconds for which it is still good; 0 when it is not."""
        return max(0.0, self._until - self._clock.elapsed())

    @property
    def valid(self) -> bool:
        """Whether something may be sent now."""
        return self._clock.elapsed() < self._until

    def renew(self, asked_at: float) -> None:
        """Take note of an accepted commit that was asked for at `asked_at` (on the clock's `elapsed`)."""
        self._until = max(self._until, asked_at + self._span)
        self.notify()

    def notify(self) -> None:
        """Let all who wait look again: the lease was renewed, or an epoch that waits for it is over."""
        self._renewed.set()
        self._renewed = asyncio.Event()

    async def changed(self) -> None:
        """Wait until the lease is renewed or an epoch is over; says nothing about whether it is valid."""
        await self._renewed.wait()


class Epoch:
    """One assignment of one partition. What is bound to an epoch that is over is never sent.

    >>> epoch = Epoch(lease)  # doctest: +SKIP
    >>> await epoch.permit()  # doctest: +SKIP
    >>> future = await producer.send_batch(...)  # in the same step as the permission # doctest: +SKIP
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.over = False

    def end(self) -> None:
        """The partition is not ours any more."""
        self.over = True
        self.lease.notify()

    async def permit(self) -> None:
        """Return in the very step in which sending is allowed; waits for a lapsed lease to be renewed.

        Raises:
            Revoked: the epoch is over.
        """
        while True:
            if self.over:
                raise Revoked
            if self.lease.valid:
                return
            await self.lease.changed()
