"""Errors that a Kafka client raises while it decodes a record batch, told apart from a broker's.

aiokafka lets through whatever its record parser and the codecs' libraries raise. None of it says that a
broker is away, and asking again would give the same answer, or pass over records in silence.
"""

from __future__ import annotations

import asyncio
import gzip
import traceback
from typing import Final

from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    RecordTooLargeError,
    UnsupportedCodecError,
)

from streams.errors import CartpulseError

_OF_BATCHES: Final = (CorruptRecordException, RecordTooLargeError, UnsupportedCodecError)
"""aiokafka's own. A record is too large where a batch is not whole, which brokers always send."""

_EMPTY_CONTROL_BATCH: Final = "Control batch did not contain any records"
"""aiokafka says this in a plain `KafkaError`, which otherwise is a coordinator's."""


def raised_in_a_fetch(error: BaseException) -> bool:
    """Return whether the error is one of decoding that came out of aiokafka's consumer, by its traceback.

    Of Faust's own consumer there is no more to be had: whatever ends it ends the app.
    """
    frames = traceback.walk_tb(error.__traceback__)
    return is_undecodable(error) and any("aiokafka/consumer" in f.f_code.co_filename for f, _ in frames)


def is_undecodable(error: BaseException) -> bool:
    """Return whether the error was raised over the bytes of a record batch, and by no broker.

    Args:
        error: Raised by a consumer's `getmany`.

    >>> is_undecodable(gzip.BadGzipFile("Not a gzipped file")), is_undecodable(ConnectionResetError("reset"))
    (True, False)
    """
    if isinstance(error, KafkaError):
        return isinstance(error, _OF_BATCHES) or _EMPTY_CONTROL_BATCH in str(error)
    if isinstance(error, OSError):
        return isinstance(error, gzip.BadGzipFile)
    foreign = CartpulseError | ConsumerStoppedError | asyncio.CancelledError
    return isinstance(error, Exception) and not isinstance(error, foreign)
