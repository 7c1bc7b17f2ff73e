"""Numbers are read as they are meant, or refused with the reason why they cannot be told."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.dates import Unreadable
from streams.sources.evidence import DecimalMark
from streams.sources.numerals import NumberReader, other_currency


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
        ("12%", "no number"),
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
    ],
)
def test_a_sign_that_cannot_be_the_currency_is_known(written: str, currency: str, other: str) -> None:
    assert other_currency(written, currency) == other


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
