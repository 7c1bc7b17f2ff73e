"""Columns are what a whole file shows them to be, not what their names promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from models.settings import LedgerSettings
from streams.sources.columns import ColumnsError
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions, FileSurvey
from tests.support.paths import FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streams.sources.files.grouping import Grouped


class Outcome:
    """What became of a file."""

    def __init__(self, path: Path, told: FileOptions, currency: str = "USD") -> None:
        with PurchaseFile(path, LedgerSettings(currency=currency), told, ZoneInfo("UTC")) as file:
            self.survey: FileSurvey = file.examine()
            file.prepare()
            self.baskets: list[dict[str, Any]] = [msgspec.json.decode(feed.value) for feed in file]
            self.grouped: Grouped = file.grouped
            self.refused = file.refusals.total

    @property
    def columns(self) -> dict[str, str]:
        """Field to the name of its column."""
        names = self.survey.table.columns
        return {field: names[place] for field, place in self.survey.columns.items()}

    @property
    def items(self) -> list[dict[str, Any]]:
        """Lines of all baskets."""
        return [item for basket in self.baskets for item in basket["items"]]


def outcome(
    tmp_path: Path,
    head: str,
    rows: Sequence[str],
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
) -> Outcome:
    path = tmp_path / "sales.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return Outcome(path, FileOptions(columns=columns or {}, constants=constants or {}))


PRICED = "order,customer,date,sku,qty,price,discount,total"
"""Three orders of several lines, with the order's discount and total on each line."""
ROWS = (
    "1,A,2024-02-01,S1,1,2.00,1.00,4.00",
    "2,B,2024-02-02,S2,1,3.00,0.00,3.00",
    "1,A,2024-02-01,S2,1,3.00,1.00,4.00",
    "3,A,2024-02-03,S1,2,2.00,0.50,6.50",
    "3,A,2024-02-03,S2,1,3.00,0.50,6.50",
)


def test_amounts_that_are_equal_on_all_lines_of_each_order_are_the_orders(tmp_path: Path) -> None:
    found = outcome(tmp_path, PRICED, ROWS)
    assert [item["discount"] for item in found.items] == [0.0] * 5
    assert "discount" not in found.columns
    assert found.columns["order_total"] == "total"
    assert [("'discount'" in remark, "the order's" in remark) for remark in found.survey.remarks] == [
        (False, True),
        (True, True),
    ]


def test_an_orders_amount_is_a_check_on_the_sum_of_its_lines(tmp_path: Path) -> None:
    rows = [row.replace(",1.00,4.00", ",0.00,5.00").replace(",0.50,6.50", ",0.00,9.99") for row in ROWS]
    found = outcome(tmp_path, PRICED, rows)
    assert (found.grouped.agreeing, found.grouped.differing) == (2, 1)


def test_one_order_whose_lines_differ_makes_an_amount_the_lines(tmp_path: Path) -> None:
    found = outcome(
        tmp_path, PRICED, [*ROWS, "4,C,2024-02-04,S1,1,2.00,0.10,9", "4,C,2024-02-04,S2,1,3.00,0.20,9"]
    )
    assert sorted(item["discount"] for item in found.items)[-3:] == [0.5, 1.0, 1.0]
    assert found.columns["discount"] == "discount"


def test_two_equal_lines_say_nothing_of_an_amount(tmp_path: Path) -> None:
    rows = ["1,A,2024-02-01,S1,1,2.00,1.00,4.00"] * 2
    assert [item["discount"] for item in outcome(tmp_path, PRICED, rows).items] == [1.0, 1.0]


def test_lines_of_an_order_may_lie_apart(tmp_path: Path) -> None:
    rows = [ROWS[0], *(f"9{n},C,2024-02-09,S1,1,2.00,0.00,2.00" for n in range(500)), *ROWS[1:]]
    assert "discount" not in outcome(tmp_path, PRICED, rows).columns


def test_a_discount_on_the_first_line_alone_of_many_orders_is_the_orders(tmp_path: Path) -> None:
    rows = [
        f"{order},A,2024-02-{order:02},S{line},1,{line}.00,{'0.50' if line == 1 else ''},"
        for order in range(1, 5)
        for line in (1, 2)
    ]
    assert "discount" not in outcome(tmp_path, PRICED, rows).columns
    assert "discount" in outcome(tmp_path, PRICED, rows[:4]).columns


def test_without_a_price_of_the_line_the_orders_amount_is_no_price(tmp_path: Path) -> None:
    rows = ["1,A,2024-02-01,S1,1,5.00", "1,A,2024-02-01,S2,2,5.00", "2,B,2024-02-02,S1,1,2.00"]
    head = "order,customer,date,sku,qty,amount"
    with pytest.raises(ColumnsError, match=r"'amount' is equal on all lines.*--map unit_price=COLUMN"):
        outcome(tmp_path, head, rows)
    told = outcome(tmp_path, head, rows, {"total": "amount"})
    assert len(told.items) == 3
    assert "as told" in told.survey.remarks[0]


def test_an_amount_of_the_order_gives_way_to_one_of_the_line(tmp_path: Path) -> None:
    rows = ["1,A,2024-02-01,S1,1,5,2", "1,A,2024-02-01,S2,1,5,3", "2,B,2024-02-02,S1,1,2,2"]
    found = outcome(tmp_path, "order,customer,date,sku,qty,total,sales value", rows)
    assert found.columns["total"] == "sales value"
    assert [item["unit_price"] for item in found.items] == [2.0, 3.0, 2.0]
    assert "'total' is equal on all lines" in found.survey.remarks[0]


def test_a_price_that_is_the_orders_is_none(tmp_path: Path) -> None:
    rows = [f"{order},A,2024-02-{order:02},S{line},1,{order}.00" for order in range(1, 5) for line in (1, 2)]
    with pytest.raises(ColumnsError, match="'price' is equal on all lines"):
        outcome(tmp_path, "order,customer,date,sku,qty,price", rows)
    one_price = [row.rpartition(",")[0] + ",2.00" for row in rows]
    assert len(outcome(tmp_path, "order,customer,date,sku,qty,price", one_price).items) == 8


def test_a_file_without_a_quantity_asks_one_question() -> None:
    path = FIELD / "no-quantity.csv"
    with pytest.raises(ColumnsError, match=r"recognised as quantity\..*--set quantity=1"):
        Outcome(path, FileOptions())
    for told in (FileOptions(constants={"quantity": "1"}), FileOptions(columns={"quantity": "1"})):
        assert [(item["quantity"], item["unit_price"]) for item in Outcome(path, told).items] == [(1.0, 2.5)]


def test_olist_has_one_piece_a_row_and_its_customers_come_again() -> None:
    found = Outcome(FIELD / "olist.csv", FileOptions(preset="none"))
    (basket,) = found.baskets
    assert basket["customer_id"] == "U1"
    assert [(item["product_id"], item["quantity"]) for item in basket["items"]] == [("p9", 1.0), ("p9", 1.0)]
    said = " ".join(found.survey.remarks)
    assert "'customer_unique_id' (1 of them) and not 'customer_id' (2 in 2 orders)" in said
    assert "Each row is one piece" in said
    assert found.survey.undecided == ()


COUNTED = "order,customer,date,sku,price,count"


@pytest.mark.parametrize("column", ["count", "line no", "Position", "order_item_id", "item_no"])
def test_a_counter_of_an_orders_lines_is_no_quantity(tmp_path: Path, column: str) -> None:
    rows = [
        f"{order},A,2024-02-{order:02},S{line},2,{line}" for order in (1, 2, 3) for line in (1, 2, 3)[:order]
    ]
    found = outcome(tmp_path, COUNTED.replace("count", column), rows)
    assert [item["quantity"] for item in found.items] == [1.0] * 6
    assert "Each row is one piece" in found.survey.remarks[-1]
    assert found.columns["product_id"] == "sku"


def test_a_counter_that_may_be_a_quantity_is_asked_about(tmp_path: Path) -> None:
    rows = ["1,A,2024-02-01,S1,2,1", "1,A,2024-02-01,S2,2,2", "2,A,2024-02-02,S2,2,1"]
    found = outcome(tmp_path, COUNTED, rows)
    assert "--set quantity=1" in found.survey.undecided[0]
    assert outcome(tmp_path, COUNTED, rows, {"quantity": "count"}).survey.undecided == ()
    many = [f"{order},A,2024-02-{order:02},S{line},2,{line}" for order in range(1, 5) for line in (1, 2)]
    assert "'qty'" in outcome(tmp_path, COUNTED.replace("count", "qty"), many).survey.undecided[0]


def test_a_quantity_that_is_no_counter_stays_one(tmp_path: Path) -> None:
    rows = ["1,A,2024-02-01,S1,2,1", "1,A,2024-02-01,S2,2,2", "2,A,2024-02-02,S2,2,4"]
    found = outcome(tmp_path, COUNTED, rows)
    assert [item["quantity"] for item in found.items] == [1.0, 2.0, 4.0]
    assert found.survey.undecided == ()


def test_a_column_that_only_promises_to_count_lines_is_no_reason_to_guess(tmp_path: Path) -> None:
    rows = ["1,A,2024-02-01,S1,2,77001", "1,A,2024-02-01,S2,2,77002"]
    with pytest.raises(ColumnsError, match="--set quantity=1"):
        outcome(tmp_path, COUNTED.replace("count", "order_item_id"), rows)


def test_a_customer_who_is_new_for_every_order_gives_way_to_one_who_comes_again(tmp_path: Path) -> None:
    head = "order,date,sku,qty,price,customer_id,email"
    rows = [f"{n},2024-02-{n:02},S1,1,2,c{n},{'ab'[n % 2]}@shop.example" for n in range(1, 12)]
    found = outcome(tmp_path, head, rows)
    assert found.columns["customer_id"] == "email"
    assert "not 'customer_id'" in found.survey.remarks[0]
    assert (
        outcome(tmp_path, head, rows, {"customer_id": "customer_id"}).columns["customer_id"] == "customer_id"
    )


@pytest.mark.parametrize(
    "emails",
    [["one@shop.example"] * 11, [""] * 5 + ["a@shop.example", "b@shop.example"] * 3],
    ids=["one for all", "often empty"],
)
def test_a_column_that_hardly_tells_customers_apart_is_not_preferred(
    tmp_path: Path, emails: list[str]
) -> None:
    rows = [f"{n},2024-02-{n + 1:02},S1,1,2,c{n},{email}" for n, email in enumerate(emails)]
    found = outcome(tmp_path, "order,date,sku,qty,price,customer_id,email", rows)
    assert found.columns["customer_id"] == "customer_id"


def test_customers_of_loyal_shops_are_left_alone(tmp_path: Path) -> None:
    rows = [f"{n},2024-02-{n:02},S1,1,2,c{n % 3},{n % 2}@shop.example" for n in range(1, 12)]
    found = outcome(tmp_path, "order,date,sku,qty,price,customer_id,email", rows)
    assert found.columns["customer_id"] == "customer_id"


TOTALS = "order,customer,date,sku,qty,price,total"


def amounts(tmp_path: Path, head: str, rows: Sequence[str]) -> tuple[list[tuple[float, float]], int, int]:
    """Price and discount of each line, and how many discounts were found, and totals differ."""
    path = tmp_path / "sales.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    with PurchaseFile(path, LedgerSettings(), FileOptions(), ZoneInfo("UTC")) as file:
        file.examine()
        file.prepare()
        items = [item for feed in file for item in msgspec.json.decode(feed.value)["items"]]
        return [(i["unit_price"], i["discount"]) for i in items], file.discounts_found, file.totals_differ


@pytest.mark.parametrize(
    ("line", "discount", "found", "differ"),
    [
        ("2,5.00,10.00", 0.0, 0, 0),
        ("2,5.00,8.50", 1.5, 1, 0),
        ("2,5.00,0.00", 10.0, 1, 0),
        ("-2,5.00,-8.50", -1.5, 1, 0),
        ("-2,5.00,8.50", -1.5, 1, 0),
        ("2,5.00,11.90", 0.0, 0, 1),
        ("2,5.00,-1.00", 0.0, 0, 1),
        ("3,3.33,10.00", 0.0, 0, 0),
        ("3,3.34,10.00", 0.02, 1, 0),
        ("2,0.00,1.00", 0.0, 0, 1),
        ("2,5.00,", 0.0, 0, 0),
        ("2,5.00,n/a", 0.0, 0, 0),
    ],
)
def test_a_total_beside_a_price_says_what_the_discount_of_the_line_is(
    tmp_path: Path, line: str, discount: float, found: int, differ: int
) -> None:
    seen = amounts(tmp_path, TOTALS, [f"1,c,2026-03-01,A,{line}", "2,c,2026-03-02,B,1,7.00,7.00"])
    price = float(line.split(",")[1])
    assert seen == ([(price, discount), (7.0, 0.0)], found, differ)


def test_a_discount_that_a_line_names_goes_before_its_total(tmp_path: Path) -> None:
    rows = [
        "1,c,2026-03-01,A,2,5.00,9.00,1.00",
        "2,c,2026-03-02,A,2,5.00,10.00,-1.00",
        "3,c,2026-03-03,A,2,5.00,9.50,",
        "4,c,2026-03-04,A,2,5.00,9.50,0.00",
    ]
    seen = amounts(tmp_path, f"{TOTALS},discount", rows)
    assert seen == ([(5.0, 1.0), (5.0, 1.0), (5.0, 0.5), (5.0, 0.5)], 2, 1)
