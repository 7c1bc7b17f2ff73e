"""An asyncio event loop in virtual time, shared by processes that may be stopped, slowed and killed.

Nothing waits: when nothing is ready, time jumps to the next timer. Each process has a lane, which its tasks
inherit by their context; what is ready in a lane runs in the order asyncio promises, and lanes know nothing
of each other. Every handle may cost a little time, so that answers arrive between any two steps.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine

LONGEST = 2_000_000
"""Handles of one schedule; more is a loop that does not end."""


class Lane:
    """One process as the loop sees it.

    Args:
        name: for the trace.
        busy: how likely a step takes time, from 0 to 1.
    """

    def __init__(self, name: str, busy: float = 0.0) -> None:
        self.name = name
        self.busy = busy
        self.free_at = 0.0
        self.dead = False
        self.steps = 0
        self.stop_at: tuple[int, Callable[[], None]] | None = None
        """After how many steps something happens to it."""
        self.ready: deque[asyncio.Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []

    def after(self, steps: int, what: Callable[[], None]) -> None:
        """Do something to it after so many more of its steps."""
        self.stop_at = (self.steps + steps, what)


LANE: contextvars.ContextVar[Lane] = contextvars.ContextVar("LANE")


class Stuck(Exception):  # noqa: N818 - it says what happened
    """The schedule came to no end."""


class _Counted:
    """Things in sets hash by a number of their own: by address, no two runs would be alike."""

    number: int

    def __hash__(self) -> int:
        return self.number


class CountedFuture(_Counted, asyncio.Future):  # type: ignore[type-arg] # subscripted, it would be slower
    """A future."""


class CountedTask(_Counted, asyncio.Task):  # type: ignore[type-arg] # the same
    """A task."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """The loop.

    Args:
        chance: of the schedule.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.world = Lane("world")
        self.lanes = [self.world]
        self.outside = contextvars.Context()
        """The context of what belongs to no process: the network and the broker."""
        self.outside.run(LANE.set, self.world)
        self.errors: list[dict[str, Any]] = []
        self.over = self._halted = False
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = 0

    def lane(self, name: str, busy: float) -> Lane:
        """A new process."""
        self.lanes.append(Lane(name, busy))
        return self.lanes[-1]

    def start(self, lane: Lane, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a task of a process."""
        context = contextvars.Context()
        context.run(LANE.set, lane)
        return self.create_task(work, context=context)

    def kill(self, lane: Lane) -> None:
        """Nothing of the process runs any more, not even a `finally`."""
        lane.dead = True
        lane.ready.clear()
        self.lanes.remove(lane)

    def later(self, delay: float, what: Callable[..., Any], *args: Any) -> asyncio.TimerHandle:
        """Do something that belongs to no process."""
        return self.call_later(delay, what, *args, context=self.outside)

    def run(self) -> None:
        """Run until told to `halt`.

        Raises:
            Stuck: nothing can happen any more, or too much did.
        """
        asyncio._set_running_loop(self)
        try:
            for _ in range(LONGEST):
                if self._halted:
                    return
                self._turn()
            raise Stuck("too many steps")
        finally:
            asyncio._set_running_loop(None)

    def halt(self) -> None:
        """Run no further."""
        self._halted = True

    def forget(self) -> None:
        """Let go of all tasks; what their coroutines still do is seen by nobody."""
        self.over = True
        for lane in self.lanes:
            lane.ready.clear()

    def _turn(self) -> None:
        now, timers = self._now, self._timers
        while timers and timers[0][0] <= now:
            handle = heapq.heappop(timers)[2]
            if not handle._cancelled:  # its public name is a call a step
                self._put(handle)
        soonest: float | None = None
        for lane in self.lanes:
            if not lane.ready:
                continue
            if lane.free_at <= now:
                self._step(lane)
                return
            if soonest is None or lane.free_at < soonest:
                soonest = lane.free_at
        if timers and (soonest is None or timers[0][0] < soonest):
            soonest = timers[0][0]
        if soonest is None:
            raise Stuck("nothing can happen any more")
        self._now = soonest

    def _step(self, lane: Lane) -> None:
        handle = lane.ready.popleft()
        if handle._cancelled:  # as above
            return
        handle._run()
        lane.steps += 1
        if lane.busy and self.chance.random() < lane.busy:
            lane.free_at = max(lane.free_at, self._now + self.chance.random() * 0.004)
        if lane.stop_at is not None and lane.steps >= lane.stop_at[0]:
            what, lane.stop_at = lane.stop_at[1], None
            what()

    def _put(self, handle: asyncio.Handle) -> None:
        lane: Lane = handle._context[LANE]  # type: ignore[attr-defined] # handles keep their context
        if not lane.dead:
            lane.ready.append(handle)

    # --- what asyncio asks of a loop ------------------------------------------------------------------------

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def call_soon(  # type: ignore[override] # it need not know what is called
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """In the lane of the context."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self.over:
            self._put(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment] # the same

    def call_later(  # type: ignore[override] # it need not know what is called
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """After a while."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override] # it need not know what is called
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """At a moment."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self.over:
            self._number += 1
            heapq.heappush(self._timers, (when, self._number, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """A future."""
        future = CountedFuture(loop=self)
        self._number += 1
        future.number = self._number
        return future

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        """A task, remembered by its process."""
        self._number += 1
        # asyncio looks at a task's hash before its constructor has returned.
        task = CountedTask.__new__(CountedTask)
        task.number = self._number
        task.__init__(coro, loop=self, name=name or "task", context=context)  # type: ignore[misc]
        task._log_destroy_pending = False  # type: ignore[attr-defined] # crashed ones are
        (context or contextvars.copy_context())[LANE].tasks.append(task)
        return task

    def run_in_executor(  # type: ignore[override] # the same
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """There are no threads: the work is done at a moment of its own, in the process that asked."""
        del executor
        future = self.create_future()

        def work() -> None:
            if future.cancelled():
                func(*args)  # a thread cannot be called back
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - whatever it is
                future.set_exception(error)

        self.call_later(self.chance.random() * 0.02, work)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep it; the check looks at these."""
        self.errors.append(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """The same."""
        self.errors.append(context)

    def get_debug(self) -> bool:
        """Never."""
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is left out when its time comes."""

    def is_running(self) -> bool:
        """Always."""
        return True

    def is_closed(self) -> bool:
        """Never."""
        return False
