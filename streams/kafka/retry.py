"""Retries of what fails for a while: a broker's restart, a change of leader, a short loss of the network.

A request to Kafka is retried while its error is temporary, with growing pauses. After `patience` seconds the
worker ends with one log line, rather than hang in silence.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiokafka.errors import KafkaError, KafkaTimeoutError, UnknownError

from streams.errors import BrokerUnreachableError, DeliveryFailedError
from streams.kafka.undecodable import is_undecodable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.clock import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE: Final = 2.0
"""Send deadlines for which a broker may be away. One is the time that a restart after a crash takes on a slow
machine (20 s); the second covers the elections and rejoining that follow."""

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0
"""Longest pause between two attempts. A broker that is back is noticed soon, and one that is away is not
flooded."""


def passes(error: BaseException) -> bool:
    """Return True if the same request may succeed in a moment.

    Kafka marks those of its errors that are worth a retry. aiokafka wraps an unexpected error of a
    coordinator in a plain `KafkaError`: one that shuts down answers `UNKNOWN_SERVER_ERROR`.
    """
    if is_undecodable(error):
        return False
    if isinstance(error, KafkaError):
        return bool(error.retriable) or type(error) in (KafkaError, KafkaTimeoutError, UnknownError)
    if isinstance(error, DeliveryFailedError):  # a producer could not be started; the cause says why
        return error.__cause__ is not None and passes(error.__cause__)
    return isinstance(error, OSError | TimeoutError | BrokerUnreachableError)


class RetryPolicy:
    """Retry policy of one worker towards its broker.

    Args:
        clock: Clock that measures the time.
        patience: Seconds for which requests may fail before the worker ends.
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
        """Return the result of an attempt, retried while it fails with a temporary error.

        Args:
            attempt: Coroutine factory, called once per try.
            what: Description of the attempt, for the log line and the error.
            over: Function that returns True if nobody waits for the result any more. The last error is then
                raised.

        Raises:
            BrokerUnreachableError: The attempt failed for longer than `patience`.
            Exception: An error that is not temporary is raised at once.
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

    def gone(self, what: str, error: BaseException | None = None) -> BrokerUnreachableError:
        """Make the error for a broker that was away for longer than `patience`."""
        why = f" ({error or type(error).__name__})" if error is not None else ""
        return BrokerUnreachableError(
            f"{what} failed for {self.patience:g} s{why}: is the broker up? "
            "(twice CARTPULSE_SEND_DEADLINE_SECONDS)"
        )

    def reader(self, reader: Any, what: str) -> PatientReader:
        """Wrap a consumer so that it gives up when nothing arrives for longer than `patience`."""
        return PatientReader(reader, self, self._clock, what)


class PatientReader:
    """Consumer of aiokafka that gives up when neither records arrive nor its position moves.

    aiokafka retries a fetch for ever, in silence. A read up to a known end would wait as long.

    Args:
        reader: Started consumer that is assigned by hand.
        retry: Policy with the time limit.
        clock: Clock that measures the time.
        what: Description of the read, for the error.
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
        """Read these partitions from now on. Time spent between two assignments does not count as waiting."""
        self._reader.assign(partitions)
        self._at, self._moved_at = (), self._clock.elapsed()

    async def getmany(self, *partitions: Any, **options: Any) -> Any:
        """Fetch records.

        Raises:
            BrokerUnreachableError: Nothing moved for longer than the policy's `patience`.
        """
        fetched = await self._reader.getmany(*partitions, **options)
        at = tuple([await self._reader.position(partition) for partition in partitions])
        if fetched or at != self._at:
            self._at, self._moved_at = at, self._clock.elapsed()
        elif self._clock.elapsed() - self._moved_at > self._retry.patience:
            raise self._retry.gone(self._what)
        return fetched
