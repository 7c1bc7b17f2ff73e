"""Replay of purchases in memory: events in, events out, with no broker and no worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as with_columns
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from pydantic import BaseModel

from models.contracts.events import EXPOSURES, OUTPUT_EVENTS
from models.contracts.purchases import Record
from models.ledger.ledger import Ledger
from models.records import control
from models.records.columns import UNKNOWN_TIME, Kind
from models.records.decoder import Decoder, Raw
from models.records.tick_times import DayEnds
from models.replay.steps import advance_through, finish_sweep
from models.settings import LedgerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from models.contracts.changes import Changes, Refusal
    from models.contracts.events import OutputEvent
    from models.records.columns import Records

InputEvent = Record | Mapping[str, Any] | bytes
"""Events that may be replayed: the contract's models, mappings of their fields, or their JSON."""
if TYPE_CHECKING:
    Refused = Callable[[InputEvent, Refusal], None]

AT_ONCE: Final = 256
"""Events that are decoded together: as many as the decoder turns into columns at a time."""

_MODELS: Final = {type_: model for model, (_, type_) in OUTPUT_EVENTS.items()}
_REFUSED: Final = int(Kind.REFUSED)
_BASKETS: Final = {int(Kind.PURCHASE), int(Kind.RETURN)}


class EventRefusedError(ValueError):
    """Event that the ledger does not take.

    The event breaks the contract, contradicts an earlier event, or is older than the customer's last 32.
    """

    def __init__(self, event: InputEvent, refusal: Refusal) -> None:
        at = f" ({refusal.field})" if refusal.field else ""
        super().__init__(
            f"Event {refusal.offset} is refused, {refusal.stage} {refusal.error}{at}: {refusal.reason}"
        )
        self.event = event
        """The event as it was given."""
        self.refusal = refusal
        """The reason; its `offset` is the event's place among those given, from 0."""


def replay(
    events: Iterable[InputEvent],
    settings: LedgerSettings | None = None,
    *,
    refused: Refused | None = None,
) -> Iterator[OutputEvent]:
    """Run purchases through a ledger in memory, and yield the events that a service would send.

    Usage::

        for event in replay(purchases, LedgerSettings(currency="GBP", time_zone="Europe/London")):
            if isinstance(event, ReplenishmentAlert):
                print(event.customer_id, event.category, event.best_date)

    The events are those of a service with one partition, on the log clock, and the same for the same
    purchases. They come in the order of emission: as in a service, purchases between two boundaries are taken
    many at a time, and their events come together, those of one kind behind another. Business days close as
    events pass them, and the day of the latest purchase at the end; so alerts are raised and segments fall as
    in a service that ran all the while. The setting `clock` plays no part.

    The caller puts events in order of event time. One that comes late is treated as a service treats it:
    of a day that is closed it counts for spend and not for habits, of a day still open it counts in full.

    Customers held out (`holdout_share`, none by default) are learnt from, and their events are not yielded:
    in a service nobody may act on those. History that is to be learnt from in silence ends at a `Signal` of
    kind `live`, given before the purchases: events up to its `occurred_at` are not yielded. Erasures and
    updates of the catalogue may stand among the purchases, and act as in a service.

    Args:
        events: Contract models, mappings of the same fields, or JSON bytes, in order of event time. They are
            taken 256 at a time, so that all of them need not fit into memory.
        settings: The settings that shape outputs; None takes the defaults.
        refused: Called with an event that is refused and the reason, whose `offset` is the event's place
            among `events`, from 0; the rest goes on. None raises at the first one.

    Raises:
        EventRefusedError: An event was refused and there is no `refused`. The events before it were taken.
        TypeError: An event holds what JSON cannot, such as a set.
    """
    run = _Run(settings or LedgerSettings(), refused)
    stream = iter(events)
    while batch := list(islice(stream, AT_ONCE)):
        yield from run.take(batch)
    yield from run.finish()


class _Run:
    """State of one replay.

    Args:
        settings: The settings that shape outputs.
        refused: Called with each refused event; None raises.
    """

    def __init__(self, settings: LedgerSettings, refused: Refused | None) -> None:
        self._settings = settings.model_copy(update={"clock": "log"})
        self._refused = refused
        self._ledger, self._decoder = Ledger(self._settings), Decoder(self._settings)
        self._ends = DayEnds(self._settings)
        self._taken = 0
        """Events of the batches before this one."""
        self._ticks = 0
        """Ticks so far. An event's offset in the log is its place among the events plus this count."""

    def take(self, batch: list[InputEvent]) -> Iterator[OutputEvent]:
        """Apply a batch of events, each behind the ticks that are due before it."""
        raws = [Raw(self._taken + at, _encoded(event), UNKNOWN_TIME) for at, event in enumerate(batch)]
        records, refusals = self._decoder.decode(raws)
        reasons = {refusal.offset - self._taken: refusal for refusal in refusals}
        start = 0
        for index, (kind, at) in enumerate(
            zip(records.kinds.tolist(), records.occurred_at.tolist(), strict=True)
        ):
            due = self._ends.before(at) if kind in _BASKETS else []
            if not due and kind != _REFUSED:
                continue
            yield from self._advance(records.slice(start, index), batch)
            start = index
            for moment in due:
                yield from self._tick(moment)
            if kind == _REFUSED:
                start = index + 1
                self._refuse(batch[index], reasons[index])
        yield from self._advance(records.slice(start, len(batch)), batch)
        self._taken += len(batch)

    def finish(self) -> Iterator[OutputEvent]:
        """Close the days that are left, the latest purchase's too."""
        for moment in self._ends.rest():
            yield from self._tick(moment)
        for changes in finish_sweep(self._ledger):
            yield from _events(changes)

    def _tick(self, moment: int) -> Iterator[OutputEvent]:
        offset = self._ledger.clock.offset + 1
        records, _ = self._decoder.decode([Raw(offset, control.tick(moment, self._settings), UNKNOWN_TIME)])
        self._ticks += 1
        for changes in advance_through(self._ledger, records):
            yield from _events(changes)

    def _advance(self, records: Records, batch: list[InputEvent]) -> Iterator[OutputEvent]:
        """Apply a run of a batch's events that no tick parts."""
        placed = with_columns(records, offsets=records.offsets + self._ticks)
        for changes in advance_through(self._ledger, placed):
            yield from _events(changes)
            for refusal in changes.refusals:
                place = refusal.offset - self._ticks
                self._refuse(batch[place - self._taken], refusal._replace(offset=place))

    def _refuse(self, event: InputEvent, refusal: Refusal) -> None:
        if self._refused is None:
            raise EventRefusedError(event, refusal)
        self._refused(event, refusal)


def _events(changes: Changes) -> Iterator[OutputEvent]:
    """Read a step's outputs as the contract's models; those of customers held out are left out.

    Raises:
        Exception: Whatever a model raised on a customer at a boundary, which is a fault of ours.
    """
    for _, error in changes.passed_over:
        raise error
    for output in changes.outputs:
        if output.topic != EXPOSURES:
            model = _MODELS[dict(output.headers)["ce_type"].decode()]
            yield model.model_validate_json(output.value)


def _encoded(event: InputEvent) -> bytes:
    """Write an event as the JSON of the contract."""
    if isinstance(event, bytes):
        return event
    if isinstance(event, BaseModel):
        return event.__pydantic_serializer__.to_json(event)
    return msgspec.json.encode(event, enc_hook=_plain)


def _plain(value: Any) -> Any:
    """Turn what data frames hold into what JSON holds: numbers of numpy, and their own kind of date-times.

    Raises:
        TypeError: JSON has nothing for it.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"an event cannot hold {type(value).__name__}, which JSON does not know")
