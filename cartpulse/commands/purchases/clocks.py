"""Clock on which purchases are loaded, and the topics that receive them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.kafka.topics import require_purchases
from streams.operations.go_live import make_topics
from streams.operations.log_clock import choose_clock, log_clock
from streams.sources.ticks import with_ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Literal

    from streams.settings.settings import Settings
    from streams.sources.feed import Feed


async def ready(settings: Settings, *, producer_time: bool = False) -> Literal["log", "wall"]:
    """Make the missing topics, and choose the clock for the purchases to be loaded.

    Args:
        settings: Service settings.
        producer_time: Make a new `purchases` keep the time of producers.

    Returns:
        Clock of the log. A fresh log takes the log clock, unless the wall clock was set by hand.
    """
    found = await log_clock(settings)
    clock = choose_clock(settings, found)
    if found.there:
        await require_purchases(settings)
    else:
        await make_topics(settings, live=clock == "wall", producer_time=producer_time)
    return clock


def with_clock(source: Iterable[Feed], settings: Settings, clock: Literal["log", "wall"]) -> Iterator[Feed]:
    """Yield records; on the log clock, with the ticks between them."""
    return with_ticks(source, settings.ledger) if clock == "log" else iter(source)


class Sent:
    """Event times of the purchases that were handed over, in ms since 1970 UTC."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def noted(self, records: Iterable[Feed]) -> Iterator[Feed]:
        """Yield records, and store the event times of those with a customer."""
        for record in records:
            if record.key is not None:
                self.times.append(record.occurred_at)
            yield record
