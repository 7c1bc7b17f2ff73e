"""Rows that are no sale are left out, counted by their status, and never lost in silence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from models.settings import LedgerSettings
from streams.sources.columns import ColumnsError
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions
from streams.sources.files.unread import UnreadStatuses
from streams.sources.statuses.rows import Rules
from tests.support.paths import FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HEAD = "order_id,customer_id,date,sku,quantity,price"
SHOPIFY = FileOptions(
    columns={
        "basket_id": "Name",
        "product_id": "Lineitem sku",
        "name": "Lineitem name",
        "quantity": "Lineitem quantity",
        "unit_price": "Lineitem price",
        "discount": "Lineitem discount",
    }
)


class Outcome:
    """What became of a file."""

    def __init__(self, path: Path, told: FileOptions, currency: str = "USD") -> None:
        settings = LedgerSettings(currency=currency)
        with PurchaseFile(path, settings, told, ZoneInfo("UTC")) as file:
            file.examine()
            file.prepare()
            self.sent = [((feed.key or b"").decode(), feed.occurred_at) for feed in file]
            self.lines = file.grouped.lines
            self.left_out = dict(file.left_out)
            self.passed, self.accepted, self.refused = file.passed, file.accepted, file.refusals.total
            assert file.judge is not None
            self.judge = file.judge
            self.partly_refunded = file.grouped.partly_refunded
            self.unused = [file.survey.table.columns[place] for place in file.judge.unused]


def outcome(
    tmp_path: Path,
    columns: str,
    rows: Sequence[str],
    *,
    only: Mapping[str, Sequence[str]] | None = None,
    without: Mapping[str, Sequence[str]] | None = None,
    orders: Sequence[str] = (),
) -> Outcome:
    """Read a file of one line per order, unless `orders` says otherwise, with further columns behind."""
    numbers = orders or [str(number) for number in range(len(rows))]
    lines = [
        f"{order},A,2024-02-{int(order) + 1:02} 10:00,S{place},1,2.5,{row}"
        for place, (order, row) in enumerate(zip(numbers, rows, strict=True))
    ]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([f"{HEAD},{columns}", *lines]) + "\n")
    return Outcome(path, FileOptions(rules=Rules(only or {}, without or {})))


def test_an_order_that_was_cancelled_refunded_or_failed_is_no_purchase() -> None:
    found = Outcome(FIELD / "status.csv", FileOptions())
    assert len(found.sent) == 1
    assert found.left_out == {"status=cancelled": 1, "status=refunded": 1, "status=failed": 1}
    assert found.refused == 0
    assert found.passed == found.accepted == 4


def test_shopifys_status_stands_on_the_first_line_of_an_order_and_counts_for_all() -> None:
    found = Outcome(FIELD / "shopify.csv", SHOPIFY, "EUR")
    assert ([customer for customer, _ in found.sent], found.lines) == (["ada@shop.example"], 2)
    assert found.left_out == {"Financial Status=refunded": 1, "Financial Status=voided": 1}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_a_status_on_one_line_of_an_order_counts_for_its_others_in_any_order(
    tmp_path: Path, order: Sequence[int]
) -> None:
    rows = [("1", "cancelled"), ("1", ""), ("2", "")]
    found = outcome(
        tmp_path, "status", [rows[place][1] for place in order], orders=[rows[place][0] for place in order]
    )
    assert found.left_out == {"status=cancelled": 2}
    assert len(found.sent) == 1


def test_a_moment_on_the_first_line_of_orders_alone_counts_for_all_of_them(tmp_path: Path) -> None:
    moments, orders = ["2024-03-01", "", "", ""], ["1", "1", "2", "2"]
    found = outcome(tmp_path, "cancelled_at", moments, orders=orders)
    assert (found.lines, found.left_out) == (2, {"cancelled_at set": 2})
    of_lines = outcome(tmp_path, "cancelled_at", [*moments, "", "2024-03-01"], orders=[*orders, "3", "3"])
    assert (of_lines.lines, of_lines.left_out) == (4, {"cancelled_at set": 2})


def test_a_status_of_a_line_counts_for_that_line_alone(tmp_path: Path) -> None:
    found = outcome(tmp_path, "status", ["completed", "cancelled", ""], orders=["1", "1", "1"])
    assert (found.lines, found.left_out) == (2, {"status=cancelled": 1})


@pytest.mark.parametrize(
    ("column", "value", "sold"),
    [
        ("Financial Status", "paid", True),
        ("Financial Status", "partially_refunded", True),
        ("Financial Status", "PENDING", False),
        ("payment_status", "chargeback", False),
        ("Order Status", "wc-completed", True),
        ("Order Status", "wc-cancelled", False),
        ("order state", "Cancelled by customer", False),
        ("Status", "Shipped - Returned to Seller", False),
        ("Status", "Shipped - Delivered to Buyer", True),
        ("Bestellstatus", "Storniert", False),
        ("Zahlungsstatus", "bezahlt", True),
        ("statut", "annulée", False),
        ("estado", "Cancelado", False),
        ("situação", "Devolvido", False),
        ("status", "draft", False),
        ("status", "test", False),
        ("status", "expired", False),
        ("status", "Payment declined", False),
        ("cancelled_at", "2024-02-02 11:00:00", False),
        ("Cancelled at", "NULL", True),
        ("cancelled_at", "0000-00-00 00:00:00", True),
        ("cancelled_at", "1706868000", False),
        ("cancel_reason", "changed my mind", False),
        ("is_cancelled", "TRUE", False),
        ("is_cancelled", "0", True),
        ("voided", "yes", False),
        ("is_paid", "false", False),
        ("is_paid", "1", True),
        ("test", "false", True),
    ],
)
def test_common_columns_and_values_are_understood(
    tmp_path: Path, column: str, value: str, *, sold: bool
) -> None:
    found = outcome(tmp_path, column, [value])
    assert bool(found.sent) == sold
    assert found.left_out.keys() == (set() if sold else {next(iter(found.left_out))})
    assert not found.judge.kept or value == "Shipped - Delivered to Buyer"


def test_a_status_that_nobody_knows_is_kept_and_counted(tmp_path: Path) -> None:
    found = outcome(tmp_path, "status", ["awaiting moonrise", "awaiting moonrise", "completed"])
    assert len(found.sent) == 3
    assert found.judge.kept == {"status=awaiting moonrise": 2}


def test_a_column_called_state_is_a_status_only_if_its_values_are(tmp_path: Path) -> None:
    ohio = outcome(tmp_path, "state", ["OH", "NY", "CA"])
    assert (len(ohio.sent), ohio.judge.kept, ohio.unused) == (3, {}, [])
    assert outcome(tmp_path, "state", ["complete", "canceled", "closed"]).left_out == {"state=canceled": 1}


def test_a_refund_is_held_against_the_orders_amount(tmp_path: Path) -> None:
    rows = ["9.00,9.00", "1.00,1.00", "9.00,2.00", "9.00,0.00", "9.00,"]
    found = outcome(tmp_path, "order_total,Refunded Amount", rows)
    assert found.left_out == {"the whole amount refunded": 2}
    assert (len(found.sent), found.partly_refunded, found.passed) == (3, 1, 5)


def test_a_refund_on_one_line_of_an_order_is_the_orders(tmp_path: Path) -> None:
    found = outcome(tmp_path, "refunded_amount", ["5.00", "", "2.50", ""], orders=["1", "1", "2", "2"])
    assert (found.left_out, found.lines, found.partly_refunded) == ({"the whole amount refunded": 2}, 2, 2)


@pytest.mark.parametrize(
    ("refunds", "whole"),
    [
        (["2.00", "3.00"], True),
        (["2.50", "2.50", "", "2.50"], False),
        (["3.00", "3.00", "", "4.00"], True),
        (["2.00", "1.00"], False),
        (["2.50", "2.50"], False),
        (["5.00", "5.00"], True),
    ],
)
def test_refunds_that_differ_within_an_order_are_its_lines_own_and_add_up(
    tmp_path: Path, refunds: list[str], *, whole: bool
) -> None:
    found = outcome(tmp_path, "refunded_amount", refunds, orders=["1"] * len(refunds))
    assert found.left_out == ({"the whole amount refunded": len(refunds)} if whole else {})
    assert found.partly_refunded == (0 if whole else len(refunds))


def test_a_status_of_a_part_goes_before_the_amount(tmp_path: Path) -> None:
    found = outcome(tmp_path, "status,refunded_amount", ["partially_refunded,2.50"])
    assert (len(found.sent), found.partly_refunded) == (1, 1)


def test_a_column_called_paid_is_a_yes_or_no_only_if_its_values_are(tmp_path: Path) -> None:
    assert outcome(tmp_path, "paid", ["TRUE", "FALSE"]).left_out == {"paid=FALSE": 1}
    assert len(outcome(tmp_path, "paid", ["2.50", "0"]).sent) == 2


def test_what_a_person_says_of_a_column_replaces_what_is_known_of_it(tmp_path: Path) -> None:
    rows = ["Cancelled", "On Hold", "completed"]
    only = outcome(tmp_path, "status", rows, only={"Status": ["cancelled", "COMPLETED"]})
    assert (len(only.sent), only.left_out) == (2, {"status=On Hold": 1})
    without = outcome(tmp_path, "status", rows, without={"status": ["on hold"]})
    assert (len(without.sent), without.left_out) == (2, {"status=On Hold": 1})
    assert len(outcome(tmp_path, "status", rows, without={"status": []}).sent) == 3


def test_rules_hold_for_any_column_and_all_of_them_together(tmp_path: Path) -> None:
    rows = ["web,DE", "web,FR", "shop,DE", ",DE"]
    found = outcome(tmp_path, "where,land", rows, only={"land": ["de"]}, without={"where": ["shop", ""]})
    assert len(found.sent) == 1
    assert found.left_out == {"land=FR": 1, "where=shop": 1, "where=": 1}


def test_a_rule_counts_for_the_lines_of_an_order_that_leave_its_column_empty(tmp_path: Path) -> None:
    rows = ["paid", "", "open", "", ""]
    found = outcome(tmp_path, "status", rows, only={"status": ["paid"]}, orders=["1", "1", "2", "2", "3"])
    assert (found.lines, found.left_out) == (2, {"status=open": 2, "status=": 1})


def test_a_value_that_no_row_has_is_said(tmp_path: Path) -> None:
    found = outcome(tmp_path, "status", ["cancelled"], without={"status": ["canceled", "cancelled"]})
    assert found.judge.unmet == ["status=canceled"]


def test_a_rule_for_a_column_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ColumnsError, match="no column 'phase'"):
        outcome(tmp_path, "status", ["paid"], only={"phase": ["paid"]})


def test_an_unused_column_that_looks_like_a_status_is_pointed_out(tmp_path: Path) -> None:
    found = outcome(
        tmp_path, "phase,Fulfillment Status,note", ["paid,fulfilled,gift", "cancelled,unfulfilled,-"]
    )
    assert found.unused == ["phase"]
    assert len(found.sent) == 2


def test_a_row_that_is_no_sale_is_not_refused_for_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEAD},status\n1,,,S1,,,cancelled\n2,A,2024-02-01,S1,1,2,paid\n3,,,S1,,,paid\n")
    found = Outcome(path, FileOptions())
    assert (found.refused, found.left_out) == (1, {"status=cancelled": 1})


PLAIN = "order,customer,date,sku,qty,price,status"


def sold_of(tmp_path: Path, *rows: str, head: str = PLAIN, rules: Rules | None = None) -> list[str]:
    """Customers of the baskets of a file."""
    path = tmp_path / "orders.csv"
    path.write_bytes("\n".join([head, *rows]).encode(errors="surrogateescape"))
    return [customer for customer, _ in Outcome(path, FileOptions(rules=rules or Rules())).sent]


@pytest.mark.parametrize(
    "refused",
    [
        "1,c1,2026-03-01,,1,4,cancelled",
        "1,,2026-03-01,A,1,4,cancelled",
        "1,c1,when,A,1,4,cancelled",
        "1,,,,,,cancelled",
        "1,c1,2026-03-01,A,many,4,cancelled",
        "1,c1,2026-03-01,caf\udce9,1,4,cancelled",
        '1,c1,2026-03-01,3" pot,1,4,cancelled',
        "1,c1,2026-03-01,tea, green,1,4,cancelled",
        "1,c1,2026-03-01,A,4,cancelled",
    ],
)
@pytest.mark.parametrize("above", [True, False])
def test_a_status_on_a_line_that_is_refused_still_holds_for_its_order(
    tmp_path: Path, refused: str, *, above: bool
) -> None:
    lines = [refused, "1,c1,2026-03-01,B,1,2,"]
    others = ["2,c2,2026-03-02,B,1,2,paid", "3,c3,2026-03-03,é,1,2,"]
    assert sold_of(tmp_path, *(lines if above else reversed(lines)), *others) == ["c2", "c3"]


def test_a_status_on_a_refused_line_holds_for_no_other_order(tmp_path: Path) -> None:
    rows = [
        "1,c1,2026-03-01,,1,4,cancelled",
        "1,c2,2026-03-01,B,1,2,",
        "1,c1,2026-03-02,B,1,2,",
        "2,,2026-03-03,A,1,4,cancelled",
        "2,c4,2026-03-04,B,1,2,",
        "3,c5,2026-03-05,,1,4,cancelled",
        "3,c5,2026-03-05,B,1,2,paid",
    ]
    assert sold_of(tmp_path, *rows) == ["c2", "c1", "c4", "c5"]


def test_a_sale_on_a_refused_line_holds_for_its_order_too(tmp_path: Path) -> None:
    rows = ["1,c1,2026-03-01,,1,4,paid", "1,c1,2026-03-01,B,1,2,", "2,c2,2026-03-01,B,1,2,"]
    assert sold_of(tmp_path, *rows, rules=Rules(only={"status": ["paid"]})) == ["c1"]


def test_a_refused_line_in_json_says_what_its_order_is(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    names = ("order", "customer", "date", "sku", "qty", "price", "status")
    rows = [
        dict(zip(names, row, strict=True))
        for row in (
            ("1", "c1", "2026-03-01", "caf\udce9", 1, 4, "cancelled"),
            ("1", "c1", "2026-03-01", "B", 1, 2, ""),
            ("2", "c2", "2026-03-02", "thé", 1, 2, "paid"),
        )
    ]
    for separator in ("\n", ",\n "):
        text = separator.join(json.dumps(row, ensure_ascii=False) for row in rows)
        whole = text if separator == "\n" else f"[{text}]"
        path.write_bytes(whole.encode(errors="surrogateescape"))
        found = Outcome(path, FileOptions())
        assert [customer for customer, _ in found.sent] == ["c2"]
        assert found.refused == 1


def test_statuses_of_unknown_orders_are_held_in_bounded_memory() -> None:
    unread = UnreadStatuses(most=2)
    for number in ("1", "2", "2", "3"):
        unread.note(number, (None, "c", ""), "status=cancelled")
    assert unread.dropped == 1


def test_returns_are_told_by_their_quantity_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "retail.csv"
    path.write_text(f"{HEAD}\nC1,A,2024-02-01,S1,-1,2\n")
    assert len(Outcome(path, FileOptions()).sent) == 1
