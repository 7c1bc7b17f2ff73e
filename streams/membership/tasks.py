"""Supervised tasks of a worker: an unexpected end of a task is always reported."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from streams.delivery.lease import Revoked
from streams.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from streams.partition.partition import Partition


class Tasks:
    """Supervisor of tasks. A partition's tasks end with its epoch; other tasks must not end by themselves.

    Args:
        ended: Callback with the error of a task that ended unexpectedly.
    """

    def __init__(self, ended: Callable[[BaseException], None]) -> None:
        self.running: set[asyncio.Task[None]] = set()
        self._ended = ended

    def run(
        self, work: Coroutine[Any, Any, None], partition: Partition | None = None, *, may_end: bool = True
    ) -> None:
        """Start a supervised task.

        If the task fails, or ends where it may not, the worker is told. A task without a partition may never
        end.

        Args:
            work: Coroutine to run.
            partition: Partition that the task belongs to, if any.
            may_end: True if a partition's task may end before its epoch, when its work is done.
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
            self._ended(error or EngineError(f"{task.get_coro()!r} came to an end"))

        task.add_done_callback(look)

    async def cancel(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
