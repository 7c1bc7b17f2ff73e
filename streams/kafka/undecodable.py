"""Errors that a Kafka client raises while it decodes a record batch, as opposed to a broker's errors.

aiokafka passes on whatever its record parser and the codecs' libraries raise. None of these errors means that
a broker is away. A retry would raise the same error again, or silently skip records.
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
"""Decoding errors of aiokafka itself. `RecordTooLargeError` means that a batch is not whole, and brokers
always send whole batches."""

_EMPTY_CONTROL_BATCH: Final = "Control batch did not contain any records"
"""Message of a plain `KafkaError` for a batch that cannot be decoded. Other plain `KafkaError`s are a
coordinator's."""


def raised_in_a_fetch(error: BaseException) -> bool:
    """Return True if the error is one of decoding that came out of aiokafka's consumer, by its traceback.

    An error of Faust's own consumer offers no other evidence: every such error ends the app.
    """
    frames = traceback.walk_tb(error.__traceback__)
    return is_undecodable(error) and any("aiokafka/consumer" in f.f_code.co_filename for f, _ in frames)


def is_undecodable(error: BaseException) -> bool:
    """Return True if the error was raised over the bytes of a record batch, not by a broker.

    Args:
        error: Error raised by a consumer's `getmany`.

    >>> is_undecodable(gzip.BadGzipFile("Not a gzipped file")), is_undecodable(ConnectionResetError("reset"))
    (True, False)
    """
    if isinstance(error, KafkaError):
        return isinstance(error, _OF_BATCHES) or _EMPTY_CONTROL_BATCH in str(error)
    if isinstance(error, OSError):
        return isinstance(error, gzip.BadGzipFile)
    foreign = CartpulseError | ConsumerStoppedError | asyncio.CancelledError
    return isinstance(error, Exception) and not isinstance(error, foreign)
