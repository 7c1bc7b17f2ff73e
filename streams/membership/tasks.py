"""The tasks of a worker, none of which may end without somebody hearing of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from streams.delivery.lease import Revoked
from streams.errors import EngineFault

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from streams.partition.partition import Partition


class Tasks:
    """Runs tasks; those of a partition end with its epoch, and no others end by themselves.

    Args:
        ended: called with the error of a task that ended otherwise.
    """

    def __init__(self, ended: Callable[[BaseException], None]) -> None:
        self.running: set[asyncio.Task[None]] = set()
        self._ended = ended

    def run(
        self, work: Coroutine[Any, Any, None], partition: Partition | None = None, *, may_end: bool = True
    ) -> None:
        """Run a task.

        Args:
            work: to be done.
            partition: whose it is, if it is one's.
            may_end: whether a partition's task may end before its epoch does, its work done.
        """
        task = asyncio.create_task(work)
        self.running.add(task)
        if partition is not None:
            partition.owns(task)

        def look(task: asyncio.Task[None]) -> None:
            self.running.discard(task)
            error = None if task.cancelled() else task.exception()
            if (partition is not None and partition.epoch.over) or isinstance(error, Revoked):
                return
            if error is None and partition is not None and may_end:
                return
            self._ended(error or EngineFault(f"{task.get_coro()!r} came to an end"))

        task.add_done_callback(look)

    async def cancel(self) -> None:
        """End all of them, and wait for that."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
