"""Log of The Complete Journey in one partition, ticks included."""

from __future__ import annotations

from models.settings import LedgerSettings
from streams.sources.complete_journey import CompleteJourney
from streams.sources.ticks import with_ticks

DAY_MS = 86_400_000


def log_of(days: int) -> tuple[list[tuple[bytes, int]], list[int]]:
    """Read the log of the first days.

    Returns:
        Value and event time (ms since 1970 UTC) of each record; and the count of records up to each day's
        end, day 0 first.
    """
    log = [
        (record.value, record.occurred_at)
        for record in with_ticks(CompleteJourney(days=days), LedgerSettings(clock="log"))
    ]
    begin = min(at for _, at in log)
    ends, place = [], 0
    for day in range(days):
        while place < len(log) and log[place][1] < begin + (day + 1) * DAY_MS:
            place += 1
        ends.append(place)
    return log, ends
