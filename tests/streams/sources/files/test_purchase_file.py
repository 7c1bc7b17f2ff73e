"""A file of purchases loses no good row, explains each bad one, and comes out in order of time."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from datetime import UTC
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow.csv import ConvertOptions, read_csv

from models.settings import LedgerSettings
from streams.sources.columns import ColumnsError
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions
from streams.sources.forms.tables import FileError
from streams.sources.values.evidence import DayOrder, DecimalMark
from tests.support.data.hostile_csv import hostile_file
from tests.support.data.purchases import purchase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streams.sources.files.lines import Refused

UTC_ZONE = ZoneInfo("UTC")
HEAD = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\n"


class Outcome:
    """What became of a file."""

    def __init__(self, path: Path, told: FileOptions, zone: str, **options: Any) -> None:
        self.refused: list[Refused] = []
        with PurchaseFile(
            path, LedgerSettings(), told, ZoneInfo(zone), keep=self.refused.append, **options
        ) as file:
            self.survey = file.examine()
            file.prepare()
            self.file = file
            self.feeds = list(file)
        self.baskets = [json.loads(feed.value) for feed in self.feeds]

    @property
    def reasons(self) -> dict[int, str]:
        """Line of the file to why it was refused."""
        return {row.number: row.reason for row in self.refused}


def outcome(
    tmp_path: Path, content: str | bytes, told: FileOptions | None = None, zone: str = "UTC", **options: Any
) -> Outcome:
    path = tmp_path / "purchases.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Outcome(path, told or FileOptions(), zone, **options)


def items(found: Outcome) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            basket["event_id"].split("-")[0],
            *(item[name] for name in ("product_id", "name", "quantity", "unit_price")),
            basket["customer_id"],
            basket["occurred_at"],
        )
        for basket in found.baskets
        for item in basket["items"]
    )


@pytest.mark.parametrize("seed", [11, 12])
def test_a_hostile_file_loses_no_good_row_and_explains_each_bad_one(tmp_path: Path, seed: int) -> None:
    hostile = hostile_file(2_500, seed=seed)
    found = outcome(tmp_path, hostile.content)
    assert found.survey.undecided == ()
    assert items(found) == Counter(
        (
            *(row.invoice, row.product, row.name.strip(), row.quantity, row.price, row.customer),
            row.minute.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z"),
        )
        for row in hostile.good
    )
    assert found.reasons.keys() == hostile.broken.keys()
    assert len(hostile.broken) > 10
    for number, expected in hostile.broken.items():
        assert expected in found.reasons[number]
    texts = {row.number: row.text for row in found.refused}
    assert texts == {number: data.decode(errors="backslashreplace") for number, data in hostile.texts.items()}


@pytest.mark.parametrize("column", ["UnitPrice", "Total"])
def test_an_amount_in_another_currency_is_refused_and_a_unit_is_none(tmp_path: Path, column: str) -> None:
    rows = "1,A,x,1 PCS,2010-12-01,$2.50,C\n2,A,x,1,2010-12-01,€2.50,C\n3,A,x,1,2010-12-01,2.50 GBP,C\n"
    found = outcome(tmp_path, HEAD.replace("UnitPrice", column) + rows)
    assert [basket["event_id"].split("-")[0] for basket in found.baskets] == ["1"]
    assert found.reasons.keys() == {3, 4}
    assert "'€2.50' is in €, not in USD" in found.reasons[3]
    assert "'2.50 GBP' is in GBP, not in USD" in found.reasons[4]


PIECES = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\xff",
    b"\0",
    b"2010-12-01",
    b"9999-12-31 23:59",
    b"1,A,x,1,",
    b"1e999",
    b"-",
    b"C\n",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)), max_size=60).map(b"".join))
def test_whatever_a_file_holds_every_row_is_sent_or_refused(tmp_path: Path, content: bytes) -> None:
    good = b"7,LAST,x,1,2010-12-01 08:00,2,C\n"
    found = outcome(tmp_path, HEAD.encode() + content + b"\n" + good, zone="Asia/Tokyo")
    assert found.survey.rows == found.file.grouped.lines + len(found.refused)
    assert "LAST" in [item["product_id"] for basket in found.baskets for item in basket["items"]]


def test_lines_that_are_not_in_the_files_encoding_are_read_in_another_where_a_person_names_it(
    tmp_path: Path,
) -> None:
    rows = HEAD.encode() + (
        "1,A,CAFÉ,1,2010-12-01 08:00,2,C\n".encode() + "2,B,CAFÉ,1,2010-12-01 08:00,2,C\n".encode("cp1252")
    )
    assert "windows-1252 it would be" in outcome(tmp_path, rows).reasons[3]
    found = outcome(tmp_path, rows, FileOptions(fallback_encoding="windows-1252"))
    assert [basket["items"][0]["name"] for basket in found.baskets] == ["CAFÉ", "CAFÉ"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_an_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    content = HEAD + "1,A,CAFÉ CRÈME,1,2010-12-01 08:00,2,C\r\n2,B,ÖL,1,2010-12-01 08:00,2,D\r\n"
    found = outcome(tmp_path, content.encode(encoding))
    assert sorted(basket["items"][0]["name"] for basket in found.baskets) == ["CAFÉ CRÈME", "ÖL"]
    assert not found.refused


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_the_order_of_bytes_is_found_where_only_their_number_is_told(tmp_path: Path, encoding: str) -> None:
    content = HEAD + "1,A,CAFÉ,1,2010-12-01 08:00,2,C\n"
    found = outcome(tmp_path, content.encode(encoding), FileOptions(encoding=encoding[:6]))
    assert [basket["items"][0]["name"] for basket in found.baskets] == ["CAFÉ"]


def test_a_file_that_is_not_in_the_encoding_told_is_refused(tmp_path: Path) -> None:
    with pytest.raises((FileError, ColumnsError), match=r"--delimiter|No column"):
        outcome(tmp_path, HEAD + "1,A,x,1,2010-12-01 08:00,2,C\n", FileOptions(encoding="utf-16"))


def test_days_and_months_are_told_apart_by_the_whole_file_and_not_by_the_row(tmp_path: Path) -> None:
    rows = "".join(f"{day},A,x,1,{day:02}/06/2010 08:00,2,C\n" for day in range(1, 14))
    found = outcome(tmp_path, HEAD + rows)
    assert [basket["occurred_at"][:10] for basket in found.baskets] == [
        f"2010-06-{day:02}" for day in range(1, 14)
    ]


def test_dates_that_nothing_tells_are_asked_for_and_refused_until_then(tmp_path: Path) -> None:
    content = HEAD + "1,A,x,1,05/06/2010 08:00,2,C\n2,A,x,1,2010-07-01 08:00,2,C\n"
    found = outcome(tmp_path, content)
    assert "--dates" in found.survey.undecided[0]
    assert list(found.reasons) == [2]
    told = outcome(tmp_path, content, FileOptions(dates=DayOrder.DAY_FIRST))
    assert told.survey.undecided == ()
    assert [basket["occurred_at"][:10] for basket in told.baskets] == ["2010-06-05", "2010-07-01"]


def test_dates_that_contradict_each_other_are_asked_for(tmp_path: Path) -> None:
    rows = "1,A,x,1,25/06/2010,2,C\n2,A,x,1,06/25/2010,2,C\n3,A,x,1,05/06/2010,2,C\n"
    found = outcome(tmp_path, HEAD + rows)
    assert "contradict" in found.survey.undecided[0]
    assert list(found.reasons) == [4]
    told = outcome(tmp_path, HEAD + rows, FileOptions(dates=DayOrder.MONTH_FIRST))
    assert list(told.reasons) == [2]
    assert len(told.baskets) == 2
    clear = outcome(tmp_path, HEAD + rows, FileOptions(dates=DayOrder.CLEAR_ONLY))
    assert clear.survey.undecided == ()
    assert list(clear.reasons) == [4]


def test_decimal_commas_are_told_from_the_whole_file(tmp_path: Path) -> None:
    content = HEAD.replace(",", ";") + "1;A;x;1,500;2010-12-01;1.234,5;C\n2;A;x;2;2010-12-02;3,99;C\n"
    found = outcome(tmp_path, content)
    assert [
        (basket["items"][0]["quantity"], basket["items"][0]["unit_price"]) for basket in found.baskets
    ] == [
        (1.5, 1234.5),
        (2.0, 3.99),
    ]
    unclear = outcome(tmp_path, HEAD.replace(",", ";") + "1;A;x;1,500;2010-12-01;2;C\n")
    assert "--decimal" in unclear.survey.undecided[0]
    assert list(unclear.reasons) == [2]
    path = tmp_path / "purchases.csv"
    point = Outcome(path, FileOptions(decimal=DecimalMark.POINT), "UTC")
    assert point.baskets[0]["items"][0]["quantity"] == 1500


def test_local_times_are_read_in_their_zone_and_hours_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    rows = "1,A,x,1,2010-06-01 08:00,2,C\n2,A,x,1,2010-03-28 01:30,2,C\n3,A,x,1,2010-10-31 01:30,2,C\n"
    found = outcome(tmp_path, HEAD + rows, zone="Europe/London")
    assert [basket["occurred_at"] for basket in found.baskets] == [
        "2010-06-01T07:00:00Z",
        "2010-10-31T00:30:00Z",
    ]
    assert "does not exist in Europe/London" in found.reasons[3]
    assert found.file.passed_twice == 1


def test_rows_in_any_order_become_the_same_baskets_in_order_of_time(tmp_path: Path) -> None:
    hostile = hostile_file(1_500, broken_share=0)
    head, *_ = hostile.content.split(b"\r\n", 1)
    ordered = outcome(tmp_path, hostile.content)
    rows = [
        f'{row.invoice},{row.product},"{row.name.replace(chr(34), chr(34) * 2)}",{row.quantity:g},'
        f"{row.minute:%Y-%m-%d %H:%M},{row.price},{row.customer},x"
        for row in hostile.good
    ]
    random.Random(3).shuffle(rows)
    shuffled = outcome(tmp_path, head + b"\n" + "\n".join(rows).encode(), run=100)
    assert shuffled.file.steps_back > 100
    assert items(shuffled) == items(ordered)
    assert {basket["event_id"] for basket in shuffled.baskets} == {
        basket["event_id"] for basket in ordered.baskets
    }
    assert all(a.occurred_at <= b.occurred_at for a, b in pairwise(shuffled.feeds))
    assert list(tmp_path.iterdir()) == [tmp_path / "purchases.csv"]


def test_a_wrong_year_is_refused_if_it_lies_in_the_future_and_pointed_out_if_not(
    tmp_path: Path,
) -> None:
    rows = "1,A,x,1,2010-12-01 08:00,2,C\n2,A,x,1,2107-12-02 08:00,2,C\n3,A,x,1,2001-12-03 08:00,2,C\n"
    found = outcome(tmp_path, HEAD + rows, latest=1_700_000_000_000)
    assert list(found.reasons) == [3]
    assert "2100" in found.reasons[3]
    found = outcome(tmp_path, HEAD + rows.replace("2107", "2027"), latest=1_700_000_000_000)
    assert "lies in the future" in found.reasons[3]
    before, after = found.file.grouped.longest_gap
    assert (after - before) // 86_400_000 > 3_000
    event = purchase(1, "a", "2027-01-01T11:00:00Z")
    assert "future" in outcome(tmp_path, event, latest=1_700_000_000_000).reasons[1]


def test_a_bad_line_costs_itself_alone_and_its_basket_is_sent(tmp_path: Path) -> None:
    rows = "".join(f"1,P{n},x,{0 if n == 3 else 1},2010-12-01 08:00,2,C\n" for n in range(6))
    found = outcome(tmp_path, HEAD + rows)
    (basket,) = found.baskets
    assert [item["product_id"] for item in basket["items"]] == ["P0", "P1", "P2", "P4", "P5"]
    assert list(found.reasons) == [5]


def test_a_receipt_number_that_is_used_again_names_another_basket(tmp_path: Path) -> None:
    rows = "1,A,x,1,2010-12-01 08:00,2,C\n1,A,x,1,2010-12-02 08:00,2,C\n1,A,x,1,2010-12-02 08:00,2,D\n"
    found = outcome(tmp_path, HEAD + rows)
    assert len({basket["event_id"] for basket in found.baskets}) == 3


TILL = "customer,store,date,sku,qty,price\n"


def ids(found: Outcome) -> set[str]:
    return {basket["event_id"] for basket in found.baskets}


def test_without_a_number_two_tills_files_of_one_day_are_two_purchases(tmp_path: Path) -> None:
    one = outcome(tmp_path, TILL + "A,7,2024-02-01,S1,1,2\nA,7,2024-02-01,S2,1,3\n")
    other = outcome(tmp_path, TILL + "A,7,2024-02-01,S1,1,2\nA,7,2024-02-01,S2,2,3\n")
    fewer = outcome(tmp_path, TILL + "A,7,2024-02-01,S1,1,2\n")
    twice = outcome(tmp_path, TILL + "A,7,2024-02-01,S1,1,2\n" * 2)
    assert len(ids(one) | ids(other) | ids(fewer) | ids(twice)) == 4


def test_without_a_number_one_file_is_the_same_purchases_however_it_is_sent(tmp_path: Path) -> None:
    rows = ["A,7,2024-02-01,S1,1,2\n", "A,7,2024-02-01,S2,1,3.50\n", "A,7,2024-02-01,S2,1,3.50\n"]
    once = ids(outcome(tmp_path, TILL + "".join(rows)))
    assert ids(outcome(tmp_path, TILL + "".join(reversed(rows)))) == once
    assert ids(outcome(tmp_path, TILL + "".join(rows).replace("3.50", "3.5"))) == once
    assert ids(outcome(tmp_path, TILL + "".join(rows), drop_repeated=True)) == once
    named = TILL.replace("\n", ",category\n") + "".join(row.replace("\n", ",X\n") for row in rows)
    assert ids(outcome(tmp_path, named)) == once


def test_with_a_number_an_edited_basket_keeps_its_id(tmp_path: Path) -> None:
    head = "order," + TILL
    before = outcome(tmp_path, head + "77,A,7,2024-02-01,S1,1,2\n")
    after = outcome(tmp_path, head + "77,A,7,2024-02-01,S1,5,2\n77,A,7,2024-02-01,S2,1,9\n")
    assert ids(before) == ids(after)


def test_customers_products_and_categories_are_counted(tmp_path: Path) -> None:
    rows = "1,A,x,1,2010-12-01,2,C\n1,B,x,1,2010-12-01,2,C\n2,A,x,1,2010-12-02,2,D\n3,A,x,0,2010-12-03,2,E\n"
    grouped = outcome(tmp_path, HEAD + rows).file.grouped
    counts = (grouped.distinct_customers.count, grouped.products.count, grouped.categories.count)
    assert (counts, grouped.baskets) == ((2, 2, 2), 2)
    events = b"\n".join(purchase(number, "ab"[number % 2]) for number in range(3))
    grouped = outcome(tmp_path, events).file.grouped
    assert (grouped.distinct_customers.count, grouped.customers.largest) == (2, ("a", 2))
    assert grouped.products.count >= 1


def test_a_return_is_one_where_all_lines_are_negative(tmp_path: Path) -> None:
    rows = "C1,A,x,-1,2010-12-01 08:00,2,C\n2,A,x,-1,2010-12-01 09:00,2,C\n2,B,x,1,2010-12-01 09:00,2,C\n"
    assert [basket["kind"] for basket in outcome(tmp_path, HEAD + rows).baskets] == ["return", "purchase"]


def test_repeated_lines_are_kept_unless_a_person_says_otherwise(tmp_path: Path) -> None:
    rows = HEAD + "1,A,x,1,2010-12-01 08:00,2,C\n" * 2
    assert outcome(tmp_path, rows).file.grouped.repeated == 1
    assert len(outcome(tmp_path, rows).baskets[0]["items"]) == 2
    dropped = outcome(tmp_path, rows, drop_repeated=True)
    assert len(dropped.baskets[0]["items"]) == 1
    assert "Repeats line 2" in dropped.reasons[3]


def test_a_basket_of_too_many_lines_is_refused_line_by_line(tmp_path: Path) -> None:
    rows = "".join(f"1,P{n},x,1,2010-12-01 08:00,2,C\n" for n in range(10_050))
    found = outcome(tmp_path, HEAD + rows + "2,A,x,1,2010-12-02 08:00,2,C\n")
    assert len(found.refused) == 10_050
    assert len(found.baskets) == 1


def test_a_total_a_time_of_its_own_and_other_columns_are_understood(tmp_path: Path) -> None:
    content = (
        "Household,Basket ID,Date,Time,Product,Department,Qty,Sales Value,Discount,Store,Channel,Currency\n"
        "7,9,2017-01-01,11:53:26,1095275,MILK,2,1.80,-0.20,330,web,USD\n"
        "7,9,2017-01-01,11:53:26,1095276,,1,1.00,,330,,EUR\n"
    )
    found = outcome(tmp_path, content)
    (basket,) = found.baskets
    assert (basket["store_id"], basket["channel"], basket["occurred_at"]) == (
        "330",
        "web",
        "2017-01-01T11:53:26Z",
    )
    (item,) = basket["items"]
    assert (item["unit_price"], item["discount"], item["category"]) == (1.0, 0.2, "MILK")
    assert "EUR" in found.reasons[3]


def test_a_wrong_guess_is_corrected_and_a_missing_column_asked_for(tmp_path: Path) -> None:
    content = "when,who,what,how many,paid\n2017-01-01,7,MILK,1,2\n"
    with pytest.raises(ColumnsError, match="--map customer_id=COLUMN"):
        outcome(tmp_path, content)
    columns = {
        "occurred_at": "when",
        "customer_id": "who",
        "product_id": "what",
        "quantity": "how many",
        "total": "paid",
    }
    assert len(outcome(tmp_path, content, FileOptions(columns=columns)).baskets) == 1


def test_a_file_without_a_header_is_read_by_the_places_of_its_columns(tmp_path: Path) -> None:
    columns = {"occurred_at": "1", "customer_id": "2", "product_id": "3", "quantity": "4", "unit_price": "5"}
    content = "2017-01-01,7,MILK,1,2\n2017-01-02,7,MILK,1,2\n"
    assert len(outcome(tmp_path, content, FileOptions(columns=columns, header=False)).baskets) == 2
    with pytest.raises(ColumnsError, match="--no-header"):
        outcome(tmp_path, content)


def test_parquet_gives_the_same_baskets_as_csv(tmp_path: Path) -> None:
    rows = (
        "1,A,x,2,2010-12-01 08:00,2.5,17850\n1,B,y,1,2010-12-01 08:00,1,17850\n"
        "2,A,x,1,2010-12-02 09:30,2.5,\n"
    )
    csv = outcome(tmp_path, HEAD + rows, zone="Europe/London")
    types = {"InvoiceNo": pa.string(), "InvoiceDate": pa.timestamp("ns"), "CustomerID": pa.float64()}
    table = read_csv(  # and not `pa.table`, which would import pandas
        tmp_path / "purchases.csv", convert_options=ConvertOptions(column_types=types)
    )
    path = tmp_path / "purchases.parquet"
    pq.write_table(table, path)
    parquet = Outcome(path, FileOptions(), "Europe/London")
    assert parquet.baskets == csv.baskets
    assert parquet.reasons == {3: "customer_id is empty."}
    assert '"StockCode":"A"' in parquet.refused[0].text


COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID")


def binary(kind: pa.DataType, rows: Sequence[tuple[bytes, ...]]) -> list[pa.Array]:
    """Columns of bytes of which nobody has seen to it that they are letters, as some programs write them."""
    columns = [pa.array(column, pa.binary()) for column in zip(*rows, strict=True)]
    if kind == pa.string():
        return [pa.StringArray.from_buffers(len(each), *each.buffers()[1:]) for each in columns]
    return [each.cast(kind) for each in columns]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string()])
@pytest.mark.parametrize("nested", [False, True])
def test_bytes_in_parquet_that_are_no_letters_are_refused_where_they_are_used(
    tmp_path: Path, kind: pa.DataType, *, nested: bool
) -> None:
    rows = [
        (b"1", b"A", b"x", b"1", b"2010-12-01", b"2.5", b"C\xe9"),
        (b"2", "É".encode(), b"x", b"1", b"2010-12-01", b"2.5", b"C"),
        (b"3", b"caf\xe9", b"x", b"1", b"2010-12-01", b"2.5", b"C"),
    ]
    columns, names = binary(kind, rows), list(COLUMNS)
    if nested:
        columns, names = [*columns, pa.array([{"a": 1}] * 3)], [*names, "more"]
    columns.append(binary(kind, [(b"\xff\xfe",)] * 3)[0])
    path = tmp_path / "purchases.parquet"
    pq.write_table(pa.table(columns, [*names, "signature"]), path)
    found = Outcome(path, FileOptions(), "UTC")
    assert [item["product_id"] for basket in found.baskets for item in basket["items"]] == ["É"]
    assert found.reasons == {
        1: r"customer_id is not in utf-8: 'C\\xe9'.",
        3: r"product_id is not in utf-8: 'caf\\xe9'.",
    }
    assert dict(found.file.refusals.counts) == {"encoding": 2}


def test_the_guard_of_a_spreadsheets_text_is_taken_off_and_said(tmp_path: Path) -> None:
    row = '="0012",="00123",TEA,1,2010-12-01 08:00,="2.5","=""007"""\n'
    found = outcome(tmp_path, HEAD + row)
    (basket,) = found.baskets
    assert (basket["event_id"].split("-")[0], basket["customer_id"]) == ("0012", "007")
    assert basket["items"][0]["product_id"] == "00123"
    assert basket["items"][0]["unit_price"] == 2.5
    assert [said for said in found.survey.remarks if '="0012"' in said]
    assert not [said for said in outcome(tmp_path, HEAD).survey.remarks if "spreadsheets" in said]


def test_columns_that_are_made_are_not_listed_as_the_files(tmp_path: Path) -> None:
    head = HEAD.replace("UnitPrice", "Worth")
    for told in (FileOptions(constants={"quantity": "2", "currency": "USD"}), FileOptions(preset="olist")):
        with pytest.raises(ColumnsError) as caught:
            outcome(tmp_path, head, told)
        assert str(caught.value).count(head.strip().replace(",", ", ") + ": name") == 1
    with pytest.raises(ColumnsError, match=r"columns are InvoiceNo, .*CustomerID\.$"):
        outcome(tmp_path, HEAD, FileOptions(preset="olist", columns={"category": "Nowhere"}))


def test_json_lines_of_rows_give_the_same_baskets_as_csv(tmp_path: Path) -> None:
    csv = outcome(tmp_path, HEAD + "1,A,x,2,2010-12-01 08:00,2.5,C\n")
    rows = {
        "InvoiceNo": 1,
        "StockCode": "A",
        "Description": "x",
        "Quantity": 2,
        "InvoiceDate": "2010-12-01 08:00",
    }
    lines = json.dumps(rows | {"UnitPrice": 2.5, "CustomerID": "C"}) + "\n{broken\n[1]\n"
    found = outcome(tmp_path, lines)
    assert found.baskets == csv.baskets
    assert list(found.reasons) == [2, 3]


def test_events_of_the_contract_are_not_corrected(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="sent as they are"):
        outcome(
            tmp_path, purchase(1, "a", "2017-01-01T11:00:00Z"), FileOptions(columns={"customer_id": "name"})
        )


def test_what_can_be_read_only_once_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FileError, match="read again"):
        Outcome(pipe, FileOptions(), "UTC")


def test_events_of_the_contract_are_sent_byte_for_byte_and_sorted(tmp_path: Path) -> None:
    late = purchase(2, "b", "2017-01-02T11:00:00Z")
    early = purchase(1, "a", "2017-01-01T11:00:00Z")
    bad = purchase(3, "c").replace(b"USD", b"EUR")
    tick = b'{"kind":"tick","event_id":"tick:x","occurred_at":"2017-01-01T11:00:00Z"}'
    found = outcome(tmp_path, b"\n".join([late, early, bad, b"{", tick, b"\xff{"]) + b"\n")
    assert [feed.value for feed in found.feeds] == [early, late]
    assert [feed.key for feed in found.feeds] == [b"a", b"b"]
    assert sorted(found.reasons) == [3, 4, 5, 6]
    assert "USD" in found.reasons[3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"PK\x03\x04xxxx", "save the sheet as CSV"),
        (b"\x1f\x8bxxxx", "unpack"),
        (b"[{}]", "holds no JSON object"),
        (b"abc\ndef\n", "--delimiter"),
        (b"a,\x81\xff\n", r"byte 3 is not in windows-1252$"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(FileError, match=said):
        outcome(tmp_path, content)
