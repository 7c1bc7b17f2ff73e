"""Numbers are read as they are meant, or refused with the reason why they cannot be told."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.values.evidence import DecimalMark, Unreadable
from streams.sources.values.numerals import NumberReader, other_currency


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("3-", -3),
        ("(3.50)", -3.5),
        ("\u22122", -2),
        ("1,234.56", 1234.56),
        ("1.234,56", 1234.56),
        ("1,234,567", 1234567),
        ("1'234.50", 1234.5),
        ("1 234,50", 1234.5),
        ("0.125", 0.125),
        (".5", 0.5),
        ("1234.567", 1234.567),
        ("£2.55", 2.55),
        ("$ -4.00", -4),
        ("3,20 €", 3.2),
        ("EUR 3,20", 3.2),
        ("1e3", 1000),
        ("2.5E-1", 0.25),
        ("1,23,456.00", 123456),
        ("12,34,567", 1234567),
        ("1\u202f234,50\u00a0z\u0142", 1234.5),
        ("R$ 1.234,50", 1234.5),
        ("(12.50) \u20ac", -12.5),
        ("$(12.50)", -12.5),
        ("Fr. 1'234.50", 1234.5),
        ("Fr.12.50", 12.5),
        ("CHF 12.-", 12),
        ("Rs. 250/-", 250),
        ("US $5", 5),
        ("usd 5", 5),
        ("1\u00b4234.50", 1234.5),
        ("2,5E+3", 2500),
        ("12,- K\u010d", 12),
        ("10,50- kr.", -10.5),
        ("10,50 kr-", -10.5),
        ("F\u202fCFA 500", 500),
        ("\u0661\u0662\u0663\u0664\u066b\u0665", 1234.5),
        ("\u096a\u0968", 42),
        ("\uff11\uff12\uff0e\uff15\uff10", 12.5),
        ("\u200f12.50", 12.5),
        (7, 7),
        (Decimal("2.50"), 2.5),
    ],
)
def test_what_can_be_read_in_one_way_is_read(written: object, number: float) -> None:
    assert NumberReader(None, told=False).number(written) == number


@pytest.mark.parametrize(("mark", "number"), [(DecimalMark.POINT, 1.25), (DecimalMark.COMMA, 1250.0)])
def test_what_can_be_read_in_two_ways_is_read_as_is_said(mark: DecimalMark, number: float) -> None:
    assert NumberReader(mark, told=False).read("1.250") == number


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("1.250", "--decimal"),
        ("", "is empty"),
        (None, "is empty"),
        ("many", "no number"),
        ("--3", "two signs|no number"),
        ("(3", "no number"),
        ("1,23,4", "in threes"),
        ("1.2.3", "in threes"),
        ("12,34.5.6", "no number|in threes"),
        ("1e999", "too large"),
        ("#REF!", "no number"),
        ("12%", "is a percentage"),
        ("%12", "is a percentage"),
        ("12 bananas", "no currency's sign"),
        ("(12.50", "no number"),
        ("((12.50))", "two signs|no number"),
        ("-(12.50)", "two signs"),
        ("=12.50", "no number"),
        ("$.50.1", "no number"),
        ("1,234,56", "in threes"),
        ("1" + " " * 1_000_000, "no number"),
        (float("nan"), "no number"),
        (True, "no number"),
        ("1,5,000.00", "in threes"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(written: object, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        NumberReader(None, told=False).number(written)


def test_a_mark_that_contradicts_what_a_person_said_is_refused() -> None:
    with pytest.raises(Unreadable, match="no decimal point"):
        NumberReader(DecimalMark.POINT, told=True).read("2,5")


@pytest.mark.parametrize(
    ("written", "currency", "other"),
    [
        ("€2.55", "USD", "€"),
        ("2,55 EUR", "USD", "EUR"),
        ("-£ 2.55", "EUR", "£"),
        ("($2.55)", "JPY", "$"),
        ("$2.55", "CAD", ""),
        ("¥255", "CNY", ""),
        ("2.55 EUR", "EUR", ""),
        ("2.55", "EUR", ""),
        ("many €", "USD", ""),
        *((text, "INR", "") for text in ("₹1,23,456.00", "Rs. 250.50", "Rs.250", "rs 5", "5 INR")),
        *((text, "BRL", "") for text in ("R$ 2,50", "R$2,50", "2,50 BRL")),
        *((text, "CAD", "") for text in ("CA$2.50", "C$2.50", "$2.50", "2,50 $", "CAD 2.50")),
        *((text, "PLN", "") for text in ("12,50 zł", "12,50zl", "PLN 12,50")),
        *((text, "SEK", "") for text in ("5 kr", "5 kr.", "kr 5")),
        *((text, "CHF", "") for text in ("Fr. 5", "SFr. 5", "CHF 5")),
        *((text, "RUB", "") for text in ("5 ₽", "5 руб.", "5 р.")),  # noqa: RUF001 - Cyrillic
        *((text, currency, "") for text, currency in (("5 Kč", "CZK"), ("5 Ft", "HUF"), ("S$5", "SGD"))),
        *((text, currency, "") for text, currency in (("HK$5", "HKD"), ("A$5", "AUD"), ("NT$5", "TWD"))),
        *((text, currency, "") for text, currency in (("₺5", "TRY"), ("5 лв", "BGN"), ("5 lei", "RON"))),
        *((text, currency, "") for text, currency in (("₩5", "KRW"), ("₪5", "ILS"), ("฿5", "THB"))),
        *((text, currency, "") for text, currency in (("5 ₫", "VND"), ("₱5", "PHP"), ("R5", "ZAR"))),
        *((text, currency, "") for text, currency in (("￥5", "JPY"), ("5 元", "CNY"), ("S/ 5", "PEN"))),
        *((text, currency, "") for text, currency in (("US$5", "USD"), ("NZ$5", "NZD"), ("MX$5", "MXN"))),
        ("CA$2.50", "USD", "CA$"),
        ("US$2.50", "CAD", "US$"),
        ("US $2.50", "USD", ""),
        ("usd 2.50", "USD", ""),
        ("usd 2.50", "EUR", "usd"),
        ("R$ 2,50", "USD", "R$"),
        ("12,50 zł", "EUR", "zł"),
        ("5 kr", "EUR", "kr"),
        ("₹5", "PKR", "₹"),
        ("5 lei", "BGN", "lei"),
    ],
)
def test_a_sign_that_cannot_be_the_currency_is_known(written: str, currency: str, other: str) -> None:
    assert other_currency(written, currency) == other


@pytest.mark.parametrize("written", ["2", "2 x", "2x", "x2", "2 pcs", "2 Pcs.", "2 Stk.", "2 шт.", 2, 2.0])
def test_a_quantity_may_name_its_pieces(written: object) -> None:
    assert NumberReader(None, told=False).quantity(written) == 2


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("1 kg", "counts in 'kg'"),
        ("500g", "counts in 'g'"),
        ("€2", "counts in '€'"),
        ("2 USD", "counts in 'USD'"),
        ("2 boxes", "counts in 'boxes'"),
        ("50%", "is a percentage"),
        ("", "is empty"),
    ],
)
def test_a_quantity_of_something_else_than_pieces_is_refused(written: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=re.escape(reason)):
        NumberReader(None, told=False).quantity(written)


@given(st.decimals(-999_999, 999_999, places=2))
def test_a_number_is_the_same_in_every_way_of_writing_it(number: Decimal) -> None:
    english = f"{number:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    for mark in (None, DecimalMark.POINT, DecimalMark.COMMA):
        reader = NumberReader(mark, told=False)
        assert reader.read(english) == reader.read(german) == float(number)


@pytest.mark.parametrize("text", ["ANw=", "Cg==", "AN/w5g8="])
def test_decimals_as_bytes_are_refused_with_the_setting_that_mends_them(text: str) -> None:
    with pytest.raises(Unreadable, match=r"decimal\.handling\.mode"):
        NumberReader(None, told=False).read(text)
