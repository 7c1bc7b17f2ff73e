# pyright: strict
"""Code as a user of the public face would write it, checked by mypy and pyright in their strict modes."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, assert_never, cast

from cartpulse import (
    AlertClosing,
    CartpulseError,
    CatalogueUpdate,
    ClosingState,
    ClusterChange,
    ContractError,
    DeadLetter,
    Erasure,
    EventRefusedError,
    InputEvent,
    Item,
    LapsedHabit,
    Ledger,
    LedgerSettings,
    ListClosing,
    Listing,
    OutputEvent,
    Purchase,
    Recommendation,
    Refusal,
    Refused,
    ReplenishmentAlert,
    ReplenishmentList,
    Segment,
    SegmentChange,
    Settings,
    Signal,
    Snapshot,
    load_settings,
    read_purchases,
    replay,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date


def purchases_of(customer: str, days: Iterable[date]) -> Iterator[Purchase]:
    """Make a purchase of milk on each day."""
    for number, day in enumerate(days):
        yield Purchase(
            event_id=f"{customer}-{number}",
            customer_id=customer,
            occurred_at=f"{day}T12:00:00Z",
            currency="USD",
            kind="purchase",
            items=(Item(product_id="p1", category="MILK", quantity=1.0, unit_price=2.5),),
        )


def open_alerts(events: Iterable[OutputEvent]) -> dict[str, date]:
    """Keep the best date of each alert that is open, by its id."""
    found: dict[str, date] = {}
    for event in events:
        if isinstance(event, ReplenishmentAlert):
            found[event.alert_id] = event.best_date
        elif isinstance(event, AlertClosing):
            found.pop(event.alert_id, None)
    return found


def said_and_seen(events: Iterable[OutputEvent]) -> tuple[float, Counter[ClosingState]]:
    """Sum the chances that closed alerts had said, and count how they ended."""
    closings = [event for event in events if isinstance(event, AlertClosing)]
    return sum(event.hit_probability for event in closings), Counter(event.state for event in closings)


def count(events: Iterable[OutputEvent]) -> Counter[str]:
    """Count events; a checker sees that every kind is met."""
    found: Counter[str] = Counter()
    for event in events:
        match event:
            case ReplenishmentAlert():
                found[event.category] += 1
            case AlertClosing():
                found[event.state] += 1
            case ReplenishmentList():
                found.update(item.category for item in event.items)
            case ListClosing():
                found.update(event.bought)
            case LapsedHabit():
                found[event.category] += 1
            case Recommendation():
                found.update(item.category for item in event.items)
            case ClusterChange():
                found[event.to_cluster.name] += 1
            case SegmentChange():
                segment: Segment = event.to_segment
                found[segment] += 1
            case _:
                assert_never(event)
    return found


def replayed(days: Iterable[date]) -> Counter[str]:
    """Replay models behind a record that ends history, an erasure and a catalogue among them."""
    settings = LedgerSettings(currency="USD", holdout_share=0.1)
    milk = Listing(product_id="p1", category="MILK", name="Milk", status="available")
    events: list[InputEvent] = [
        Signal(event_id="live", kind="live", occurred_at="2026-01-01T00:00:00Z"),
        CatalogueUpdate(
            event_id="list", kind="catalogue", occurred_at="2026-01-01T00:00:00Z", products=(milk,)
        ),
        *purchases_of("A", days),
        Erasure(event_id="erase", kind="erase", customer_id="A", occurred_at="2026-02-01T00:00:00Z"),
    ]
    try:
        return count(replay(events, settings))
    except EventRefusedError as error:
        refusal: Refusal = error.refusal
        return Counter({refusal.error: refusal.offset})


def replayed_rows(rows: Iterable[Mapping[str, object]], lines: Iterable[bytes]) -> list[str]:
    """Replay mappings and bytes, and keep the reasons of those that are refused."""
    wrong: list[str] = []
    for source in (rows, lines):
        open_alerts(replay(source, refused=lambda _event, why: wrong.append(why.reason)))
    return wrong


def read(path: str) -> Counter[str]:
    """Read a file, and count why rows are refused."""
    refused: list[Refused] = []
    settings = LedgerSettings()
    purchases = read_purchases(path, settings, columns={"category": "Department"}, refused=refused.append)
    spent = sum(item.quantity * item.unit_price for each in purchases for item in each.items)
    return Counter(each.sort for each in refused) + Counter({"spent": round(spent)})


def richest(settings: Settings | None = None) -> list[tuple[str, Decimal]]:
    """Ask a running service who spent most."""
    try:
        tables: Snapshot = snapshot(settings or load_settings(kafka_broker="127.0.0.1:9092"))
    except CartpulseError as error:
        raise SystemExit(str(error)) from error
    rows = cast("list[dict[str, object]]", tables.customers.to_pylist())  # pyright: ignore[reportUnknownMemberType] # pyarrow has no types
    spent = [(str(row["customer_id"]), Decimal(str(row["spend"]))) for row in rows]
    return sorted(spent, key=lambda each: each[1], reverse=True)


def customers(ledger: Ledger) -> int:
    """Look into a ledger."""
    known: dict[str, object] | None = ledger.describe(b"A")
    return ledger.customers if known else 0


def letter(headers: Iterable[tuple[str, bytes]]) -> str:
    """Read a dead letter's headers."""
    try:
        return DeadLetter.from_headers(headers).reason
    except ContractError as error:
        return error.reason
