"""Lease: proof, valid for half a session, that no other worker owns our partitions.

A worker that was stopped, swapped out or cut off cannot see that its partitions went to another. Such a
worker does have the moment at which it last asked the group to commit and the group agreed. At that moment no
other worker owned the partitions, and the group waits a whole session before it assigns them to another. So
sending is safe for half a session after that request, and not one step later.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.clock import Clock


class Revoked(Exception):  # noqa: N818 - it marks the end of an epoch, and is no error
    """End of an epoch: the partition is not ours any more.

    Whatever is not yet sent for it must be dropped.
    """


class Lease:
    """Lease of one group generation. A new assignment gets a new lease, which is invalid until it is renewed.

    Args:
        clock: Clock that measures the time since the request for a commit.
        session: Session timeout of the group, in seconds; the lease is valid for half of it.
    """

    def __init__(self, clock: Clock, session: float) -> None:
        self._clock = clock
        self._span = session / 2
        self._until = float("-inf")
        self._renewed = asyncio.Event()

    @property
    def remaining(self) -> float:
        """Seconds for which the lease is still valid; 0 if it is not."""
        return max(0.0, self._until - self._clock.elapsed())

    @property
    def valid(self) -> bool:
        """True if sending is allowed now."""
        return self._clock.elapsed() < self._until

    def renew(self, asked_at: float) -> None:
        """Renew the lease after an accepted commit, requested at `asked_at` (on the clock's `elapsed`)."""
        self._until = max(self._until, asked_at + self._span)
        self.notify()

    def notify(self) -> None:
        """Wake all waiting tasks: the lease was renewed, or an epoch that waits for it is over."""
        self._renewed.set()
        self._renewed = asyncio.Event()

    async def changed(self) -> None:
        """Wait until the lease is renewed or an epoch is over. The lease need not be valid after that."""
        await self._renewed.wait()


class Epoch:
    """Assignment of one partition. Whatever is bound to an epoch that is over is never sent.

    >>> epoch = Epoch(lease)  # doctest: +SKIP
    >>> await epoch.permit()  # doctest: +SKIP
    >>> future = await producer.send_batch(...)  # in the same step as the permission # doctest: +SKIP
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.over = False

    def end(self) -> None:
        """End the epoch: the partition is not ours any more."""
        self.over = True
        self.lease.notify()

    async def permit(self) -> None:
        """Return in the very event loop step in which sending is allowed.

        Wait for a lapsed lease to be renewed.

        Raises:
            Revoked: The epoch is over.
        """
        while True:
            if self.over:
                raise Revoked
            if self.lease.valid:
                return
            await self.lease.changed()
