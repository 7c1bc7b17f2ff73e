"""Small purchase logs for tests, and their replay: what a worker, a crash or a broker must not change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec

from models.ledger.ledger import Ledger
from models.memory.rows import header
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.replay.steps import advance_through, finish_sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from models.contracts.changes import Changes, Counted, Refusal, Row
    from models.contracts.event_block import Output
    from models.records.columns import Records
    from models.settings import LedgerSettings

FIRST_DAY = datetime(2017, 1, 1, tzinfo=UTC)
"""Day 0 of the logs."""


def moment(day: float) -> str:
    """An instant, in days since `FIRST_DAY`, as RFC 3339."""
    return (FIRST_DAY + timedelta(seconds=round(day * 86_400))).isoformat().replace("+00:00", "Z")


def basket(
    event_id: str,
    customer_id: str,
    day: float,
    *lines: tuple[str, str, float, float],
    kind: str = "purchase",
    **where: str,
) -> bytes:
    """A purchase event; lines are (category, product, quantity, unit price), `where` is store and channel."""
    return msgspec.json.encode(
        {
            "event_id": event_id,
            "customer_id": customer_id,
            "occurred_at": moment(day),
            "currency": "USD",
            "kind": kind,
            **where,
            "items": [
                {"category": category, "product_id": product, "quantity": quantity, "unit_price": price}
                for category, product, quantity, price in lines
            ],
        }
    )


def edited(value: bytes) -> bytes:
    """A purchase with one more piece of its first line: another content under the same id and time."""
    event = msgspec.json.decode(value)
    event["items"][0]["quantity"] += 1 if event["items"][0]["quantity"] > 0 else -1
    return msgspec.json.encode(event)


def tick(day: int) -> bytes:
    """The tick that closes a day (boundary at six, lateness one hour)."""
    return msgspec.json.encode(
        {"kind": "tick", "event_id": f"tick:{day}", "occurred_at": moment(day + 1 + 7 / 24)}
    )


def live(day: float) -> bytes:
    """The record that ends history at an instant."""
    return msgspec.json.encode({"kind": "live", "event_id": "live", "occurred_at": moment(day)})


def until_live() -> bytes:
    """The record by which a service loads history first, on either clock."""
    return msgspec.json.encode(
        {"kind": "live", "event_id": "live:never", "occurred_at": "2100-12-31T00:00:00Z"}
    )


def erase(customer_id: str, day: float) -> bytes:
    """The record that erases a customer."""
    return msgspec.json.encode(
        {
            "kind": "erase",
            "event_id": f"erase:{customer_id}:{day}",
            "customer_id": customer_id,
            "occurred_at": moment(day),
        }
    )


def catalogue(event_id: str, *listings: tuple[str, str, str | None, str]) -> bytes:
    """The record that lists products: (product, category, name, status)."""
    return msgspec.json.encode(
        {
            "kind": "catalogue",
            "event_id": event_id,
            "occurred_at": moment(0),
            "products": [
                {"product_id": product, "category": category, "name": name, "status": status}
                for product, category, name, status in listings
            ],
        }
    )


def records_of(
    values: Sequence[bytes],
    settings: LedgerSettings,
    *,
    first_offset: int = 0,
    appended_at: int = UNKNOWN_TIME,
) -> Records:
    """A log, or a part of it, decoded."""
    raws = [Raw(first_offset + at, value, appended_at) for at, value in enumerate(values)]
    return Decoder(settings).decode(raws)[0]


@dataclass(slots=True)
class Replay:
    """Everything that came out of a ledger, as a broker would hold it."""

    outputs: list[Output] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    misrouted: list[int] = field(default_factory=list)
    rows: dict[bytes, bytes] = field(default_factory=dict)
    """The greatest row of every key."""
    counts: Counter[Counted] = field(default_factory=Counter)

    def take(self, changes: Changes) -> None:
        """Add one step's changes."""
        self.outputs.extend(changes.outputs)
        self.refusals.extend(changes.refusals)
        self.misrouted.extend(changes.misrouted)
        self.counts.update(changes.counts)
        self.store(changes.rows)

    def store(self, rows: Iterable[Row]) -> None:
        """Keep the greater of each row and the one held."""
        for key, value in rows:
            held = self.rows.get(key)
            if held is None or header(value)[1:3] >= header(held)[1:3]:
                self.rows[key] = value

    @property
    def events(self) -> dict[str, set[bytes]]:
        """Every copy of every event, by `ce_id`."""
        found: dict[str, set[bytes]] = {}
        for output in self.outputs:
            identity = dict(output.headers)["ce_id"].decode()
            found.setdefault(identity, set()).add(repr(output).encode())
        return found

    def values(self, topic: str) -> list[dict[str, object]]:
        """The decoded events of a topic, in order."""
        return [msgspec.json.decode(output.value) for output in self.outputs if output.topic == topic]


class Taker(Protocol):
    """Whoever keeps what comes out of a ledger."""

    def take(self, changes: Changes) -> None:
        """Keep one step's changes, or some of them."""


def drive(
    ledger: Ledger, records: Records, replay: Taker, *, sweep_limit: int = 600, finish: bool = False
) -> None:
    """Advance a ledger over a run of records, sweeping when it asks for it and, to `finish`, at the end."""
    for changes in advance_through(ledger, records, sweep_limit=sweep_limit):
        replay.take(changes)
    for changes in finish_sweep(ledger, sweep_limit=sweep_limit) if finish else ():
        replay.take(changes)


def replay_of(
    values: Sequence[bytes], settings: LedgerSettings, *, appended_at: int = UNKNOWN_TIME
) -> Replay:
    """The pure replay of a whole log in one run, its last sweep finished."""
    replay = Replay()
    if values:
        records = records_of(values, settings, appended_at=appended_at)
        drive(Ledger(settings), records, replay, finish=True)
    return replay
