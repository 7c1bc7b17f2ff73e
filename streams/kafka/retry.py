"""Riding out what passes: a broker's restart, a leader's change, a network that is gone for moments.

Whatever asks Kafka something asks again while the answer is an error that passes, with growing pauses, and
gives up after `patience`: then the worker ends in one line rather than stand still without a word.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiokafka.errors import KafkaError, KafkaTimeoutError, UnknownError

from streams.errors import BrokerUnreachable, DeliveryFailed
from streams.kafka.undecodable import is_undecodable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.clock import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE: Final = 2.0
"""Send deadlines that a broker may be away for: one is what a restart after a crash takes on a slow machine
(20 s), and the second is for what comes after it, elections and rejoining."""

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0
"""Between two attempts: a broker that is back is noticed soon, and one that is away is not flooded."""


def passes(error: BaseException) -> bool:
    """Whether the same question may be answered in a moment.

    Kafka says of its errors which are worth another try. aiokafka wraps what it did not expect of a
    coordinator (one that is shutting down says `UNKNOWN_SERVER_ERROR`) in a plain `KafkaError`.
    """
    if is_undecodable(error):
        return False
    if isinstance(error, KafkaError):
        return bool(error.retriable) or type(error) in (KafkaError, KafkaTimeoutError, UnknownError)
    if isinstance(error, DeliveryFailed):  # a producer that could not be had, and why
        return error.__cause__ is not None and passes(error.__cause__)
    return isinstance(error, OSError | TimeoutError | BrokerUnreachable)


class RetryPolicy:
    """One worker's patience with its broker.

    Args:
        clock: measures it.
        patience: seconds for which something may fail before the worker ends.
    """

    def __init__(self, clock: Clock, patience: float) -> None:
        self._clock = clock
        self.patience = patience

    async def call(
        self,
        attempt: Callable[[], Awaitable[T]],
        what: str,
        *,
        over: Callable[[], bool] = lambda: False,
    ) -> T:
        """The result of an attempt, made again while it fails with what passes.

        Args:
            attempt: makes it anew each time.
            what: is done, for the line that says that it cannot be.
            over: whether nobody waits for it any more: the last error is raised then.

        Raises:
            BrokerUnreachable: it failed for longer than the patience.
            Exception: what does not pass, at once.
        """
        began = self._clock.elapsed()
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await attempt()
            except Exception as error:
                if not passes(error) or over():
                    raise
                if self._clock.elapsed() - began + pause > self.patience:
                    raise self.gone(what, error) from error
                log.warning("Trying again: %s failed (%s)", what, error or type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def gone(self, what: str, error: BaseException | None = None) -> BrokerUnreachable:
        """The error for a broker that was away for longer than the patience."""
        why = f" ({error or type(error).__name__})" if error is not None else ""
        return BrokerUnreachable(
            f"{what} failed for {self.patience:g} s{why}: is the broker up? "
            "(twice CARTPULSE_SEND_DEADLINE_SECONDS)"
        )

    def reader(self, reader: Any, what: str) -> PatientReader:
        """A consumer that does not read for ever what does not come."""
        return PatientReader(reader, self, self._clock, what)


class PatientReader:
    """An aiokafka consumer that gives up when neither records nor its position move.

    aiokafka retries a fetch for ever, in silence. Whoever reads to an end that is known would wait as long.

    Args:
        reader: a started consumer that is assigned by hand.
        riding: says how long.
        clock: measures it.
        what: is read, for the line that says that it cannot be.
    """

    def __init__(self, reader: Any, retry: RetryPolicy, clock: Clock, what: str) -> None:
        self._reader = reader
        self._retry = retry
        self._clock = clock
        self._what = what
        self._moved_at = clock.elapsed()
        self._at: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def assign(self, partitions: Any) -> None:
        """Read these from now on; what was done between two logs is no waiting."""
        self._reader.assign(partitions)
        self._at, self._moved_at = (), self._clock.elapsed()

    async def getmany(self, *partitions: Any, **options: Any) -> Any:
        """Fetch.

        Raises:
            BrokerUnreachable: nothing moved for longer than the patience.
        """
        fetched = await self._reader.getmany(*partitions, **options)
        at = tuple([await self._reader.position(partition) for partition in partitions])
        if fetched or at != self._at:
            self._at, self._moved_at = at, self._clock.elapsed()
        elif self._clock.elapsed() - self._moved_at > self._retry.patience:
            raise self._retry.gone(self._what)
        return fetched
