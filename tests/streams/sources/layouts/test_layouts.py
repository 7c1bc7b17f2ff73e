"""Layouts of shops that are known by name are read without a word, each to its exact purchases."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.settings import LedgerSettings
from streams.sources.columns import ColumnsError
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions, FileSurvey
from streams.sources.layouts import PRESETS
from streams.sources.layouts.zones import ZONES
from tests.support.paths import DOCS, SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

FILES = SAMPLES / "layouts"
TABLE = DOCS / "layouts.md"

Basket = tuple[str, str, list[tuple[Any, ...]]]
"""Customer, time, and the product, quantity, unit price, discount (and category) of each line."""

ADA, BO = "2025-03-04T09:12:01Z", "2025-03-05T18:00:00Z"
OAT, OATS, BEANS = ("OAT-1", 1.0, 2.2, 0.0), ("OAT-1", 2.0, 2.2, 0.0), ("ESP-1", 1.0, 27.0, 0.0)
LESS = ("OAT-1", 2.0, 2.2, 0.4)
MAILS = ("ada@shop.example", "bo@shop.example")


def two(
    customers: tuple[str, str],
    first: list[tuple[Any, ...]],
    times: tuple[str, str] = (ADA, BO),
    second: tuple[Any, ...] = OAT,
) -> list[Basket]:
    """The purchases of most samples: Ada's two things, and Bo's one a day later."""
    return [(customers[0], times[0], first), (customers[1], times[1], [second])]


BERLIN = ("2025-03-04T08:12:01Z", "2025-03-05T17:00:00Z")
NOONS = ("2025-03-04T12:00:00Z", "2025-03-05T12:00:00Z")
TRACKED = [(*OATS, "Drinks"), (*BEANS, "Coffee")]
EXPECTED: dict[str, list[Basket]] = {
    "shopify-csv": two(MAILS, [LESS, ("Gift Card", 1.0, 27.0, 0.0)], BERLIN),
    "shopify-json": two(
        ("207119551", "207119552"),
        [LESS, ("49148385", 1.0, 27.0, 0.0)],
        ("2025-03-04T08:12:00Z", "2025-03-05T17:00:00Z"),
    ),
    "woocommerce-csv": two(MAILS, [OATS, BEANS], ("2025-03-04T09:12:00Z", BO)),
    "woocommerce-json": two(
        MAILS, [("OAT-1", 2.0, 3.0, 0.0), ("22", 1.0, 12.0, 0.0)], second=("OAT-1", 1.0, 3.0, 0.0)
    ),
    "magento-json": two(("7", "bo@shop.example"), [LESS, BEANS]),
    "prestashop-csv": two(("2", "3"), [OATS, ("2", 1.0, 27.0, 0.0)]),
    "bigcommerce-json": two(("7", "8"), [OATS, ("78", 1.0, 27.0, 0.0)]),
    "opencart-csv": two(("7", "8"), [OATS, BEANS]),
    "wix-csv": two(MAILS, [OATS, ("Espresso Beans", 1.0, 27.0, 0.0)]),
    "squarespace-csv": two(MAILS, [OATS, BEANS], BERLIN),
    "amazon-orders": two(("ada@marketplace.example", "bo@marketplace.example"), [OATS, BEANS]),
    "ebay-orders": two(("ada99", "bo77"), [OATS, ("3302", 1.0, 27.0, 0.0)], NOONS),
    "etsy-sold-items": two(("ada99", "bo77"), [LESS, ("880002", 1.0, 27.0, 0.0)], NOONS),
    "olist": [
        ("U1", "2017-10-02T10:56:33Z", [("p9", 1.0, 29.99, 0.0, "utilidades_domesticas")] * 2),
        ("U1", "2017-11-02T10:56:33Z", [("p8", 1.0, 9.5, 0.0, "perfumaria")]),
        ("U2", "2017-11-03T08:00:00Z", [("p9", 1.0, 29.99, 0.0, "utilidades_domesticas")]),
    ],
    "square-items": two(
        ("C7", "C8"),
        [(*LESS, "Drinks"), ("Espresso Beans", 1.0, 1027.0, 0.0, "Coffee")],
        second=(*OAT, "Drinks"),
    ),
    "square-json": two(
        ("C7", "C8"),
        [("OAT1", 2.0, 2.2, 0.4), ("Beans", 1.0, 27.0, 0.0)],
        ("2025-03-04T09:12:01.123000Z", BO),
        ("OAT1", 1.0, 2.2, 0.0),
    ),
    "lightspeed-sales": two(("ada-7", "bo-8"), [LESS, BEANS]),
    "toast-items": two(
        ("ada", "bo"),
        [("m1", 2.0, 4.5, 1.0, "Coffee"), ("m2", 1.0, 3.5, 0.0, "Bakery")],
        ("2025-03-04T09:12:00Z", BO),
        ("m1", 1.0, 4.5, 0.0, "Coffee"),
    ),
    "clover-json": two(
        ("C7", "C8"), [("OAT1", 1.0, 20.0, 0.0), ("Beans", 1.0, 27.0, 0.0)], second=("OAT1", 1.0, 20.0, 0.0)
    ),
    "stripe-checkout": two(
        ("cus_7", "bo@shop.example"),
        [("prod_oat", 2.0, 220.0, 40.0), ("prod_esp", 1.0, 2700.0, 0.0)],  # the yen has no smaller unit
        second=("prod_oat", 1.0, 220.0, 0.0),
    ),
    "stripe-invoices": two(
        ("cus_7", "cus_8"),
        [("prod_oat", 2.0, 2.2, 0.0), ("prod_esp", 1.0, 27.0, 0.0)],
        second=("prod_oat", 1.0, 2.2, 0.0),
    ),
    "sap-german": two(
        ("10007", "10008"),
        [(*OATS, "Getränke"), ("ESP-1", 1.0, 1027.0, 0.0, "Kaffee")],
        NOONS,
        (*OAT, "Getränke"),
    ),
    "segment": two(("u7", "u8"), TRACKED, second=(*OAT, "Drinks")),
    "ga4-bigquery": two(("p7.1", "u8"), TRACKED, second=(*OAT, "Drinks")),
    "ga4-measurement": two(("u7", "c8.1"), TRACKED, second=(*OAT, "Drinks")),
    "uci-online-retail": [
        ("12348", "2010-12-01T13:36:00Z", [("84029", 1.0, 8.75, 0.0), ("22086", 2.0, 1.95, 0.0)]),
        ("12351", "2010-12-13T08:26:00Z", [("22086", 1.0, 1.95, 0.0)]),
    ],
    "uci-online-retail-ii": [
        ("13085", "2009-12-01T07:45:00Z", [("84029", 1.0, 8.75, 0.0), ("22086", 2.0, 1.95, 0.0)]),
        ("13078", "2009-12-01T07:46:00Z", [("22086", 1.0, 1.95, 0.0)]),
    ],
    "complete-journey": [
        ("900", "2017-01-01T11:53:26Z", [("1095275", 2.0, 0.7, 0.4), ("9878513", 1.0, 3.49, 0.0)]),
        ("1228", "2017-01-01T12:00:00Z", [("1095275", 1.0, 0.7, 0.0)]),
    ],
    "kaggle-ecommerce-events": [
        (
            "463240011",
            "2019-10-01T00:00:07Z",
            [
                ("5773203", 1.0, 2.62, 0.0, "1487580005134238553"),
                ("5881589", 1.0, 13.48, 0.0, "apparel.glove"),
            ],
        ),
        ("429681830", "2019-10-02T00:00:19Z", [("5723490", 1.0, 2.62, 0.0, "1487580005134238553")]),
    ],
    "ta-feng": [
        (
            "01104905",
            "2000-11-01T12:00:00Z",
            [("4710199010372", 2.0, 15.0, 0.0, "110411"), ("4710857472535", 1.0, 46.0, 0.0, "120107")],
        ),
        ("00418683", "2000-11-02T12:00:00Z", [("4710199010372", 1.0, 15.0, 0.0, "110411")]),
    ],
}
CURRENCIES = {"stripe-checkout": "JPY", "sap-german": "EUR"}
NO_PURCHASES = {
    "ebay-orders": 1,
    "lightspeed-sales": 4,
    "segment": 2,
    "ga4-bigquery": 1,
    "ga4-measurement": 1,
    "kaggle-ecommerce-events": 2,
}
"""Rows of the samples that are no purchases: page views, payments, a line below the rows."""


def read(
    path: Path, told: FileOptions | None = None, currency: str = "USD"
) -> tuple[FileSurvey, list[Basket], dict[str, int]]:
    """How a file is read, its baskets, and how many rows are refused by sort."""
    with PurchaseFile(
        path, LedgerSettings(currency=currency), told or FileOptions(), ZoneInfo("UTC")
    ) as file:
        survey = file.examine()
        file.prepare()
        events = [json.loads(feed.value) for feed in file]
    baskets = [
        (
            event["customer_id"],
            event["occurred_at"],
            [
                (item["product_id"], item["quantity"], round(item["unit_price"], 6), item["discount"])
                + ((item["category"],) if item["category"] != item["product_id"] else ())
                for item in event["items"]
            ],
        )
        for event in events
    ]
    return survey, baskets, dict(file.refusals.counts)


def sample(name: str) -> Path:
    (path,) = FILES.glob(f"{name}.*")
    return path


@pytest.mark.parametrize("name", PRESETS)
def test_a_layout_is_recognised_and_read_without_a_word(name: str) -> None:
    survey, baskets, refused = read(sample(name), currency=CURRENCIES.get(name, "USD"))
    assert survey.preset == name
    assert survey.undecided == ()
    assert baskets == EXPECTED[name]
    assert sum(refused.values()) == NO_PURCHASES.get(name, 0)


def test_the_page_of_layouts_lists_those_that_are_known() -> None:
    listed = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", TABLE.read_text(), re.MULTILINE)
    assert [(name, title.strip()) for name, title in listed] == [
        (preset.name, preset.title) for preset in PRESETS.values()
    ]
    assert len(listed) >= 20


def test_events_of_other_kinds_are_told_from_purchases() -> None:
    _, _, refused = read(sample("ga4-bigquery"))
    assert refused == {"no purchase": 1}
    _, _, refused = read(sample("segment"))
    assert refused == {"no purchase": 2}


def test_orders_as_nested_parquet_are_read_like_those_in_json(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in sample("ga4-bigquery").read_text().splitlines()]
    item = pa.struct(
        [(n, pa.string()) for n in ("item_id", "item_name", "item_category")]
        + [("price", pa.float64()), ("quantity", pa.int64())]
    )
    schema = pa.schema(
        [
            ("event_timestamp", pa.int64()),
            ("event_name", pa.string()),
            ("user_id", pa.string()),
            ("user_pseudo_id", pa.string()),
            ("at", pa.timestamp("ns")),
            ("ecommerce", pa.struct([("transaction_id", pa.string())])),
            ("items", pa.list_(item)),
        ]
    )
    kept = [
        {
            **{name: row[name] for name in ("event_name", "user_id", "user_pseudo_id", "items")},
            "event_timestamp": int(row["event_timestamp"]),
            "at": int(row["event_timestamp"]) * 1000 + 1,
            "ecommerce": {"transaction_id": row["ecommerce"]["transaction_id"]},
        }
        for row in rows
    ]
    path = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist(kept, schema=schema), path)
    survey, baskets, refused = read(path)
    assert (survey.form, survey.preset, refused) == ("Parquet", "ga4-bigquery", {"no purchase": 1})
    assert baskets == EXPECTED["ga4-bigquery"]


def test_a_person_forces_a_layout_or_none() -> None:
    survey, _, _ = read(sample("uci-online-retail"), FileOptions(preset="none"))
    assert survey.preset == ""
    with pytest.raises(ColumnsError, match="--map customer_id"):
        read(sample("uci-online-retail"), FileOptions(preset="olist"))
    with pytest.raises(ColumnsError, match="--presets"):
        read(sample("uci-online-retail"), FileOptions(preset="corner-shop"))


def test_a_person_corrects_a_layout() -> None:
    survey, baskets, _ = read(sample("shopify-csv"), FileOptions(columns={"product_id": "Lineitem name"}))
    assert survey.preset == "shopify-csv"
    assert [line[0] for line in baskets[0][2]] == ["Oat Drink 1 l", "Gift Card"]


def test_order_fields_are_not_filled_into_another_order(tmp_path: Path) -> None:
    head, first, *_ = sample("shopify-csv").read_text().splitlines()
    nameless = first.replace("#1001", "").replace("ada@shop.example", "")
    other = first.replace("#1001", "#1003").replace("ada@shop.example", "")
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([head, first.replace("#1001", ""), nameless, first, other]) + "\n")
    _, baskets, refused = read(path)
    assert [basket[0] for basket in baskets] == ["ada@shop.example"] * 2
    assert refused == {"customer_id is empty": 2}


LIGHTSPEED = (
    "Date,Receipt Number,Line Type,Customer Code,Details,Sku,Quantity,Discount,Total,Register,Status\n"
    "2026-03-01 10:00:00,1,Sale,C1,,,2,0,20,Main,CLOSED\n,1,Sale Line,,Tea,T1,1,0,10,,\n"
    ",1,Sale Line,,Pot,T2,1,0,10,,\n2026-03-02 10:00:00,2,Sale,C2,,,1,0,10,Main,CLOSED\n"
    ",2,Sale Line,,Tea,T1,1,0,10,,\n2026-03-09 10:00:00,1,Sale,C9,,,1,0,10,Second,CLOSED\n"
    ",1,Sale Line,,Tea,T1,1,0,10,,\n"
)
SHOPIFY = (
    "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,Notes,Cancelled at"
)
TEA, POT = ("T1", 1.0, 10.0, 0.0), ("T2", 1.0, 10.0, 0.0)


def read_text(tmp_path: Path, content: str | bytes) -> tuple[list[Basket], dict[str, int]]:
    path = tmp_path / "orders.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)[1:]


def test_no_pass_over_a_file_begins_with_the_last_order_of_the_pass_before(tmp_path: Path) -> None:
    """The last order has the number of the first; two tills, and a shop that numbers anew."""
    assert read_text(tmp_path, LIGHTSPEED) == (
        [
            ("C1", "2026-03-01T10:00:00Z", [TEA, POT]),
            ("C2", "2026-03-02T10:00:00Z", [TEA]),
            ("C9", "2026-03-09T10:00:00Z", [TEA]),
        ],
        {"no purchase": 3},
    )
    rows = [
        "#1,,paid,2026-03-01 10:00:00 -0500,1,Oats,5.00,,",
        "#2,b@x.com,paid,2026-03-02 10:00:00 -0500,1,Oats,5.00,,",
        "#1,c@x.com,paid,2026-03-09 10:00:00 -0500,1,Oats,5.00,,",
    ]
    baskets, refused = read_text(tmp_path, "\n".join([SHOPIFY, *rows]))
    assert [(basket[0], basket[1][:10]) for basket in baskets] == [
        ("b@x.com", "2026-03-02"),
        ("c@x.com", "2026-03-09"),
    ]
    assert refused == {"customer_id is empty": 1}


def test_a_receipt_of_another_customer_below_one_of_the_same_number_is_another(tmp_path: Path) -> None:
    head, *rows = LIGHTSPEED.splitlines()
    baskets, _ = read_text(tmp_path, "\n".join([head, *rows[:3], *rows[5:]]))
    assert baskets == [
        ("C1", "2026-03-01T10:00:00Z", [TEA, POT]),
        ("C9", "2026-03-09T10:00:00Z", [TEA]),
    ]


def test_two_looks_into_a_layout_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(LIGHTSPEED)
    survey, _, _ = read(path)
    slow = iter(survey.table)
    rows = [next(slow), next(slow)]
    list(survey.table)
    assert [row.cells for row in [*rows, *slow]] == [row.cells for row in survey.table]


def test_empty_cells_behind_the_last_column_leave_the_columns_that_a_layout_makes_in_place(
    tmp_path: Path,
) -> None:
    head, *rows = sample("olist").read_text().splitlines()
    baskets, _ = read_text(tmp_path, "\n".join([head, *(f"{row},," for row in rows)]))
    assert baskets == EXPECTED["olist"]


FIRST = "#2,b@x.com,voided,2026-03-01 10:00:00 -0500,1,Oats,5.00,{notes},2026-03-02 10:00:00 -0500"
OTHERS = [
    "#1,a@x.com,paid,2026-02-28 10:00:00 -0500,1,Oats,5.00,café,",
    "#3,c@x.com,paid,2026-03-02 10:00:00 -0500,1,Oats,5.00,,",
]


@pytest.mark.parametrize(
    ("first", "below"),
    [
        (FIRST.format(notes="caf\udce9"), "#2,b@x.com,,2026-03-01 10:00:00 -0500,1,Milk,5.00,,"),
        (FIRST.format(notes="caf\udce9"), "#2,,,,1,Milk,5.00,,"),
        (FIRST.format(notes='3" pot'), "#2,b@x.com,,2026-03-01 10:00:00 -0500,1,Milk,5.00,,"),
        (FIRST.format(notes="tea, green"), "#2,b@x.com,,2026-03-01 10:00:00 -0500,1,Milk,5.00,,"),
        ("#2,b@x.com,voided,2026-03", "#2,b@x.com,,2026-03-01 10:00:00 -0500,1,Milk,5.00,,"),
        (
            FIRST.format(notes="").replace("voided", "void\udce9d"),
            "#2,b@x.com,,2026-03-01 10:00:00 -0500,1,Milk,5.00,,",
        ),
    ],
)
def test_an_order_whose_first_line_cannot_be_read_is_no_sale_if_that_may_say_so(
    tmp_path: Path, first: str, below: str
) -> None:
    content = "\n".join([SHOPIFY, OTHERS[0], first, below, below, OTHERS[1]])
    baskets, refused = read_text(tmp_path, content.encode(errors="surrogateescape"))
    assert [basket[0] for basket in baskets] == ["a@x.com", "c@x.com"]
    assert set(refused) <= {"encoding", "number of columns", "quotation marks", "order begins unread"}


def test_a_name_whose_letters_are_lost_is_not_given_to_the_lines_below_it(tmp_path: Path) -> None:
    first = FIRST.format(notes="").replace("voided", "paid").replace("b@x", "b\udce9@x")[:-26]
    content = "\n".join([SHOPIFY, OTHERS[0], first + ",", "#2,,,,1,Milk,5.00,,", OTHERS[1]])
    baskets, refused = read_text(tmp_path, content.encode(errors="surrogateescape"))
    assert [basket[0] for basket in baskets] == ["a@x.com", "c@x.com"]
    assert refused == {"encoding": 1, "customer_id is empty": 1}


def test_a_row_of_too_few_columns_is_refused_whatever_a_layout_asks_of_its_kind(tmp_path: Path) -> None:
    head, *rows = sample("kaggle-ecommerce-events").read_text().splitlines()
    baskets, refused = read_text(tmp_path, "\n".join([head, "2019-10-01", *rows]))
    assert baskets == EXPECTED["kaggle-ecommerce-events"]
    assert refused == {"number of columns": 1, "no purchase": 2}


def test_a_refund_of_squares_is_a_return_at_the_time_of_the_rows_zone(tmp_path: Path) -> None:
    head, first, *_ = sample("square-items").read_text().splitlines()
    refund = first.replace("Payment", "Refund").replace(",2,", ",-2,").replace("T1", "T9")
    refund = refund.replace("$4.40,-$0.40,$4.00,$0.40", "-$4.40,$0.40,-$4.00,-$0.40")
    zones = ("Eastern Time (US & Canada)", "Pacific Time (US &amp; Canada)", "Europe/Paris", "")
    rows = [first, *(refund.replace(",UTC,", f",{zone},") for zone in zones)]
    path = tmp_path / "items.csv"
    path.write_text("\n".join([head, *rows]))
    with PurchaseFile(path, LedgerSettings(currency="USD"), FileOptions(), ZoneInfo("Asia/Tokyo")) as file:
        file.examine()
        file.prepare()
        events = [json.loads(feed.value) for feed in file]
        assert file.judge is not None
        assert (file.refusals.total, file.left_out, file.judge.kept) == (0, {}, {})
    item = {"product_id": "OAT-1", "quantity": -2.0, "unit_price": 2.2, "discount": -0.4}
    assert [(event["kind"], event["occurred_at"]) for event in events] == [
        ("return", "2025-03-04T00:12:01Z"),
        ("return", "2025-03-04T08:12:01Z"),
        ("purchase", "2025-03-04T09:12:01Z"),
        ("return", "2025-03-04T14:12:01Z"),
        ("return", "2025-03-04T17:12:01Z"),
    ]
    assert events[0]["items"][0].items() >= item.items()


def test_a_time_zone_that_nobody_knows_is_refused_and_may_be_left_out(tmp_path: Path) -> None:
    head, first, *_ = sample("square-items").read_text().splitlines()
    content = "\n".join([head, first.replace(",UTC,", ",Mars,")])
    assert read_text(tmp_path, content) == ([], {"time cannot be read": 1})
    _, baskets, _ = read(tmp_path / "orders.csv", FileOptions(columns={"time": "Time"}))
    assert [basket[1] for basket in baskets] == [ADA]


def test_time_zones_have_names_that_are_known() -> None:
    assert [ZoneInfo(zone).key for zone in ZONES.values()] == list(ZONES.values())


def magento(tmp_path: Path, *items: tuple[int, int | None, str, str, int, float]) -> list[Any]:
    """Product, quantity and price of each line that counts of an order, beside an order of one line."""
    names = ("item_id", "parent_item_id", "product_type", "sku", "qty_ordered", "price")
    order = {
        "increment_id": "1",
        "created_at": "2026-03-01 10:00:00",
        "customer_email": "a@x.com",
        "status": "complete",
        "items": [dict(zip(names, item, strict=True)) for item in items],
    }
    alone = {"item_id": 99, "product_type": "simple", "sku": "Z", "qty_ordered": 1, "price": 1.0}
    other = order | {"increment_id": "2", "customer_email": "b@x.com", "items": [alone]}
    path = tmp_path / "orders.json"
    path.write_text(json.dumps({"items": [order, other]}))
    survey, baskets, refused = read(path)
    assert survey.preset == "magento-json"
    assert [(basket[0], len(basket[2])) for basket in baskets][1:] == [("b@x.com", 1)]
    assert refused == ({"no purchase": len(items) - len(baskets[0][2])} if refused else {})
    return [line[:3] for line in baskets[0][2]]


def test_a_configurable_product_of_magento_is_counted_once(tmp_path: Path) -> None:
    chosen = (2, 1, "simple", "SHIRT-M", 2, 0.0)
    whole = (1, None, "configurable", "SHIRT-M", 2, 20.0)
    other = (3, None, "simple", "CAP", 1, 5.0)
    counted = [("SHIRT-M", 2.0, 20.0), ("CAP", 1.0, 5.0)]
    assert magento(tmp_path, whole, chosen, other) == counted
    assert magento(tmp_path, chosen, whole, other) == counted
    assert magento(tmp_path, whole, (*chosen[:5], 20.0), other) == counted
    assert magento(tmp_path, (*whole[:1], 0, *whole[2:]), other) == counted


def test_a_bundle_of_magento_has_its_price_or_its_parts_have(tmp_path: Path) -> None:
    whole = (1, None, "bundle", "SET", 1, 30.0)
    parts = [(2, 1, "simple", "CUP", 2, 0.0), (3, 1, "simple", "POT", 1, 0.0)]
    assert magento(tmp_path, whole, *parts) == [("SET", 1.0, 30.0)]
    priced = [(2, 1, "simple", "CUP", 2, 5.0), (3, 1, "simple", "POT", 1, 20.0)]
    assert magento(tmp_path, whole, *priced) == [("CUP", 2.0, 5.0), ("POT", 1.0, 20.0)]
    assert magento(tmp_path, *priced) == [("CUP", 2.0, 5.0), ("POT", 1.0, 20.0)]


def test_a_category_that_a_shop_has_added_is_taken_and_an_amount_is_not(tmp_path: Path) -> None:
    head, *rows = sample("uci-online-retail").read_text().splitlines()
    path = tmp_path / "sales.csv"
    path.write_text("\n".join([f"{head},Category,Discount", *(f"{row},PANTRY,1.00" for row in rows)]) + "\n")
    survey, baskets, _ = read(path)
    assert survey.preset == "uci-online-retail"
    assert {line[3:] for _, _, lines in baskets for line in lines} == {(0.0, "PANTRY")}
