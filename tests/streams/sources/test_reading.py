"""Purchases of a file for programs: what `cartpulse produce` would send, as models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from models.contracts.purchases import Purchase
from models.settings import LedgerSettings
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions
from streams.sources.forms.tables import FileError
from streams.sources.reading import read_purchases
from tests.support.data.tutorial_sales import FILE

if TYPE_CHECKING:
    from streams.sources.files.lines import Refused

SETTINGS = LedgerSettings(currency="GBP", time_zone="Europe/London")
COLUMNS = {"category": "Description"}


def test_the_purchases_are_those_that_the_command_sends() -> None:
    bad: list[Refused] = []
    found = list(read_purchases(FILE, SETTINGS, columns=COLUMNS, refused=bad.append))
    with PurchaseFile(FILE, SETTINGS, FileOptions(COLUMNS), ZoneInfo("Europe/London")) as file:
        file.examine()
        file.prepare()
        assert found == [Purchase.model_validate_json(record.value) for record in file]
        assert len(bad) == file.refusals.total == 3
    assert len(found) == 343
    assert [purchase.occurred_ms for purchase in found] == sorted(purchase.occurred_ms for purchase in found)


def test_a_row_that_is_refused_raises_where_nobody_takes_it() -> None:
    with pytest.raises(FileError, match=r"Row 41 cannot become a purchase: customer_id is empty\. Correct"):
        list(read_purchases(str(FILE), SETTINGS, columns=COLUMNS))


def test_what_can_be_read_in_two_ways_is_asked_for_before_anything_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text("customer_id,occurred_at,product_id,quantity,unit_price\nc,05/06/2010,p,1,2.00\n")
    with pytest.raises(FileError, match=r"with --dates.* arguments here"):
        read_purchases(file)
    (purchase,) = read_purchases(file, dates="day-first", time_zone="Europe/Berlin")
    assert purchase.occurred_at == "2010-06-05T10:00:00Z"
    assert (purchase.currency, purchase.items[0].category) == ("USD", "p")


def test_a_file_that_is_not_there_says_so() -> None:
    with pytest.raises((FileError, OSError)):
        read_purchases(Path("nowhere.csv"))
