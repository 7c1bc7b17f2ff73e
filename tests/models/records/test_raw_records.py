"""Raw records, one by one: each gives what its line in `docs/contracts.md` says."""

from __future__ import annotations

import re
from typing import Final

import pytest

from models.contracts.timestamps import EARLIEST_MS, LATEST_MS
from models.ledger.ledger import Ledger
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.settings import LedgerSettings
from tests.support.data.raw_records import NOW_MS, WRITTEN, Written
from tests.support.paths import DOCS

PAGE: Final = DOCS / "contracts.md"
SETTINGS: Final = LedgerSettings(clock="log")


def decided() -> dict[str, str]:
    """The page's table: what a record is, and what becomes of it."""
    section = PAGE.read_text(encoding="utf-8").partition("## Records as strangers write them")[2]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section.partition("\n## ")[0], re.MULTILINE)
    return {record: fate for record, fate in rows if record not in ("the record", "---")}


def fate(written: Written) -> str:
    """What becomes of the last of a few records, in the page's words."""
    ledger, decoder = Ledger(SETTINGS), Decoder(SETTINGS)
    stamps = [NOW_MS] * len(written.before) + [written.timestamp]
    for offset, value in enumerate([*written.before, written.value]):
        stamp = stamps[offset] if EARLIEST_MS <= stamps[offset] <= LATEST_MS else UNKNOWN_TIME
        records, refused = decoder.decode([Raw(offset, value, stamp)])
        while not (changes := ledger.advance(records)).applied:
            ledger.sweep()
    for refusal in (*refused, *changes.refusals):
        return f"`{refusal.stage}` `{refusal.error}`"
    if changes.counts.get("duplicates"):
        return "a duplicate"
    assert changes.counts.get("applied") == 1
    return "counts, its future unknown" if changes.counts.get("timeless") else "counts"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_raw_record_gives_what_the_page_says(name: str) -> None:
    assert decided()[name].partition(":")[0] == fate(WRITTEN[name])


def test_the_page_decides_these_records_and_no_others() -> None:
    assert list(decided()) == list(WRITTEN)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a schema registry's five bytes before the JSON", "plain JSON serializer"),
        ("a byte order mark before the JSON", "UTF-8 without one"),
        ("a list of two events", "one event a record"),
        ("an event encoded twice", "encode the event once"),
        ("a change of a table (Debezium)", "`after` alone"),
        ("a CloudEvent in structured mode", "`data` alone"),
    ],
)
def test_a_wrapped_event_is_refused_with_the_way_to_unwrap_it(name: str, advice: str) -> None:
    _, (refusal,) = Decoder(SETTINGS).decode([Raw(0, WRITTEN[name].value, NOW_MS)])
    assert advice in refusal.reason
