"""RFC 3339 date-times of the contracts, to milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

EARLIEST_MS: Final = 946_684_800_000
"""Earliest accepted instant: 2000-01-01T00:00:00Z, ms since 1970."""
LATEST_MS: Final = 4_133_980_799_999
"""Latest accepted instant: 2100-12-31T23:59:59.999Z, ms since 1970."""

_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def milliseconds(text: str) -> int:
    """Parse an RFC 3339 date-time with an offset, 2000 to 2100 in UTC, to milliseconds since 1970 UTC.

    Digits beyond milliseconds are cut off. A leap second (`:60`) is the second after it, as in Unix time.

    Raises:
        ValueError: The text is no such date-time; the message says what is wrong.

    >>> milliseconds("2017-01-01T11:53:26Z")
    1483271606000
    >>> milliseconds("2017-01-01T06:53:26.5009-05:00")
    1483271606500
    """
    if _RFC_3339.fullmatch(text) is None:
        raise ValueError("must be an RFC 3339 date-time with an offset, such as 2017-01-01T11:53:26Z")
    leap = text[17:19] == "60"
    written = f"{text[:17]}59{text[19:]}" if leap else text
    try:
        at = (datetime.fromisoformat(written.upper()) - _EPOCH) // _MILLISECOND + 1_000 * leap
    except ValueError as error:
        raise ValueError(f"must be a day of the calendar: {error}") from error
    if not EARLIEST_MS <= at <= LATEST_MS:
        raise ValueError("must lie in the years 2000 to 2100 (UTC)")
    return at


@lru_cache(maxsize=1024)
def text_of(at: datetime) -> str:
    """Format a date-time with a time zone as RFC 3339 in UTC, ending in `Z`.

    Cached, because all events of a boundary share one text.

    >>> text_of(datetime(2017, 3, 5, 11, tzinfo=UTC))
    '2017-03-05T11:00:00Z'
    """
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=256)
def instant_of(milliseconds: int) -> datetime:
    """Return the UTC datetime of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC) + timedelta(milliseconds=milliseconds % 1000)


@lru_cache(maxsize=1024)
def time_text(milliseconds: int) -> str:
    """Format an instant (ms since 1970 UTC) as events write it.

    >>> time_text(1_488_711_600_000)
    '2017-03-05T11:00:00Z'
    """
    return text_of(instant_of(milliseconds))
