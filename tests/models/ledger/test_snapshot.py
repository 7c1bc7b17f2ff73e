"""A partition in columns: of every customer what `describe` tells of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.learning.rfm import SEGMENTS
from models.ledger.ledger import Ledger
from models.ledger.snapshot import Tables, Values, tables_of
from models.ledger.snapshot_columns import CUSTOMERS, HABITS, Column
from models.memory.rows import CLOCK_KEY, RowError, customer_of, is_habits
from models.settings import LedgerSettings
from models.state.calendar import date_text
from tests.models.ledger.test_ledger import a_log
from tests.models.ledger.test_profile import a_month
from tests.support.ledgers.logs import Replay, drive, live, records_of

SETTINGS = LedgerSettings(
    segment_minimum_population=3,
    alert_minimum_probability=0.25,
    alert_minimum_lift=0.0,
    holdout_share=0.4,
    time_zone="Europe/Berlin",
)


def after(log: list[bytes], settings: LedgerSettings = SETTINGS) -> tuple[Ledger, Replay]:
    ledger, replay = Ledger(settings), Replay()
    drive(ledger, records_of(log, settings), replay, finish=True)
    return ledger, replay


def tables(replay: Replay) -> Tables:
    found = tables_of(replay.rows.items())
    assert found is not None
    return found


def plain(values: Values, column: Column) -> list[Any]:
    """A column as `describe` writes it."""
    found: list[Any] = values.values.tolist()
    if column.kind == "text":
        found = [values.texts[place] if ok else None for place, ok in zip(found, known(values), strict=True)]
    if column.kind == "day":
        found = [date_text(day) if ok else None for day, ok in zip(found, known(values), strict=True)]
    if column.kind == "money":
        found = [money / 10_000 for money in found]
    return [each if ok else None for each, ok in zip(found, known(values), strict=True)]


def known(values: Values) -> list[bool]:
    told: list[bool] = [True] * len(values.values) if values.known is None else values.known.tolist()
    return told


def rows_of(table: dict[str, Values], columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    """A table row by row."""
    assert list(table) == [column.name for column in columns]
    told = [plain(table[column.name], column) for column in columns]
    return [dict(zip(table, row, strict=True)) for row in zip(*told, strict=True)]


def milliseconds(text: str | None) -> int | None:
    return None if text is None else round(np.datetime64(text.removesuffix("+00:00"), "ms").astype(int))


@pytest.mark.parametrize(
    "log", [a_log(3, days=30)[:-4], a_log(8, days=45), a_month()], ids=["open", "long", "month"]
)
def test_every_column_of_every_customer_is_what_describe_tells(log: list[bytes]) -> None:
    ledger, replay = after(log)
    found = tables(replay)
    habits = rows_of(found.habits, HABITS)
    customers = rows_of(found.customers, CUSTOMERS)
    assert len(customers) == ledger.customers > 1
    assert any(habit["alert_id"] or habit["bought_on_open_day"] for habit in habits)
    for row in customers:
        told: Any = ledger.describe(row["customer_id"].encode())
        same = {
            *("customer_id", "baskets", "purchase_days", "spend", "currency", "segment", "new", "label"),
            *("held_out", "late", "duplicates", "source_offset", "usual_store", "last_channel"),
        }
        assert {name: row[name] for name in same} == {name: told[name] for name in same}
        scores = {name: row[name] for name in ("recency", "frequency", "monetary")}
        assert scores == (told["scores"] or dict.fromkeys(scores))
        for name in ("first_purchase", "last_purchase"):
            assert row[name] == milliseconds(told[name])
        assert row["open_alerts"] == len(told["open_alerts"])
        assert row["open_days"] == len(told["open_days"])
        assert row["closed_day"] == told["as_of"]["closed_day"]
        assert row["watermark"] == milliseconds(told["as_of"]["watermark"])
        mine = [habit for habit in habits if habit["customer_id"] == row["customer_id"]]
        assert len(mine) == len(told["habits"])
        alerts = {alert["category"]: alert for alert in told["open_alerts"]}
        for habit, wanted in zip(mine, told["habits"], strict=True):
            compare(habit, wanted, alerts.get(habit["category"]))


def compare(habit: dict[str, Any], wanted: dict[str, Any], alert: dict[str, Any] | None) -> None:
    same = wanted.keys() - {"last_purchase", "last_interval_days", "change"}
    change = wanted["change"] or dict.fromkeys(("since", "days_before", "days_since"))
    assert habit["changed_since"] == change["since"]
    assert (habit["interval_before_days"], habit["interval_since_days"]) == (
        change["days_before"],
        change["days_since"],
    )
    assert {name: habit[name] for name in same} == {name: wanted[name] for name in same}
    assert habit["last_purchase_day"] == wanted["last_purchase"]
    assert (habit["last_interval_days"] or 0) == wanted["last_interval_days"]
    opened = {name: habit[name] for name in ("alert_id", "hit_probability", "sent")}
    assert opened == ({name: alert[name] for name in opened} if alert else dict.fromkeys(opened))
    for name in ("raised_at", "valid_until"):
        assert habit[name] == (milliseconds(alert[name]) if alert else None)


def test_rows_are_ordered_by_customer_and_category() -> None:
    _, replay = after(a_log(3, days=30))
    habits = [
        (row["customer_id"].encode(), row["category"]) for row in rows_of(tables(replay).habits, HABITS)
    ]
    assert habits == sorted(habits)


def test_alerts_of_history_are_told_as_not_sent() -> None:
    _, replay = after([live(400), *a_log(8, days=45)], SETTINGS.model_copy(update={"clock": "log"}))
    told = [row["sent"] for row in rows_of(tables(replay).habits, HABITS)]
    assert False in told
    assert True not in told


def test_segments_are_null_where_there_are_none() -> None:
    _, replay = after(a_log(3, days=20), SETTINGS.model_copy(update={"segment_minimum_population": 99}))
    rows = rows_of(tables(replay).customers, CUSTOMERS)
    assert {(row["segment"], row["label"], row["recency"]) for row in rows} == {(None, None, None)}
    assert None not in SEGMENTS


def test_a_partition_without_a_record_has_no_tables() -> None:
    assert tables_of([]) is None


def test_a_changelog_that_lacks_a_customer_or_the_clock_is_refused() -> None:
    _, replay = after(a_log(3, days=20))
    habits = next(key for key in replay.rows if is_habits(key))
    for missing in (customer_of(habits), habits, CLOCK_KEY):
        rest = {key: row for key, row in replay.rows.items() if key != missing}
        with pytest.raises(RowError):
            tables_of(rest.items())
