"""Ids are neither merged nor split in silence by what a spreadsheet or a data frame did to them."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from streams.sources.values.evidence import Unreadable
from streams.sources.values.identifiers import (
    DamagedIds,
    FloatIds,
    IdEvidence,
    IdReader,
    IdReading,
    form_of,
)


def evidence(*values: object) -> IdEvidence:
    found = IdEvidence()
    for number, value in enumerate(values, 2):
        found.note(value, number)
    return found


def questions(*values: object) -> list[str]:
    found = evidence(*values)
    return found.questions("customer", found.reading(None, None))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("C-17", "C-17"),
        (" C ", "C"),
        ("007", "007"),
        (13085, "13085"),
        (13085.0, "13085"),
        (Decimal("13085.00"), "13085"),
        (9007199254740993, "9007199254740993"),
        (123456789012345678901234567890, "123456789012345678901234567890"),
        (1.5, "1.5"),
        ("1E5", "1E5"),
        ("5e10ab", "5e10ab"),
        ("null", ""),
        ("", ""),
        (None, ""),
        (float("nan"), ""),
        ("2024-01-02", "2024-01-02"),
        ("Jan", "Jan"),
        ("#1001", "#1001"),
        ("12-set", "12-set"),
    ],
)
def test_a_sound_id_is_read(value: object, read: str) -> None:
    assert IdReader(IdReading()).read(value) == read


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("#REF!", "a spreadsheet's error"),
        ("#N/A", "a spreadsheet's error"),
        ("#VALUE!", "a spreadsheet's error"),
        *((text, "a spreadsheet's error") for text in ("#NUM!", "#DIV/0!", "#NAME?", "#WERT!", "#¡REF!")),
        ("########", "a spreadsheet's error"),
        (9007199254740992.0, "no longer exact"),
        (float("inf"), "no longer exact"),
        (True, "is no id"),
        ({"$oid": "a"}, "is no id"),
        ("4.00126E+12", "a spreadsheet has changed it"),
        ("02-Jan", "a spreadsheet has changed it"),
        ("TRUE", "a spreadsheet has changed it"),
    ],
)
def test_what_is_no_id_is_refused_with_the_reason(value: object, reason: str) -> None:
    with pytest.raises(Unreadable, match=re.escape(reason)):
        IdReader(IdReading()).read(value)


@pytest.mark.parametrize(
    "text",
    ["4.00126E+12", "4,00126E+12", "4.00126e+12", "4.00126E12", "4E+12", "1.2E-05"],
)
def test_an_exponent_in_an_id_is_damage(text: str) -> None:
    assert form_of(text) == "exponent"
    (question,) = questions("C-1", text)
    assert f"1 ids have lost their last digits to an exponent, first {text!r} in line 3" in question
    assert "Format the column as text" in question


@pytest.mark.parametrize(
    "text", ["02-Jan", "2-Mar", "Jan-02", "Mar-24", "02. Jan", "1-Sep-2024", "02-mai", "2-févr."]
)
def test_an_id_that_became_a_date_is_damage(text: str) -> None:
    assert "have become dates" in questions("C-1", text)[0]


def test_truth_values_among_ids_are_damage() -> None:
    assert "have become truth values" in questions("C-1", "TRUE")[0]


@pytest.mark.parametrize(
    ("values", "rounded"),
    [
        (("4001260000000010", "4001260000000020"), True),
        (("400126000000001000", "A"), True),
        (("4001260000000010", "4001260000000010"), False),
        (("4001260000012345", "4001260000054321"), False),
        (("4001260000000010", "4001260000000023"), False),
        (("400126000000010", "400126000000020"), False),
        (("4001260000000",), True),
        (("4001260000000", "4002330000000", "4005670000000"), True),
        (("4001260000000", "4002334567891"), False),
        (("4001260000012", "4001260000029", "4001260000000010000", "4001260000000020000"), True),
        ((), False),
    ],
)
def test_long_ids_that_all_end_in_zeros_are_damage(values: tuple[str, ...], *, rounded: bool) -> None:
    found = evidence(*values)
    assert found.rounded is rounded
    assert bool(questions(*values)) is rounded
    reader = IdReader(found.reading(DamagedIds.REFUSE, None))
    for value in values:
        if rounded and value.endswith("0"):
            with pytest.raises(Unreadable, match="a spreadsheet has changed it"):
                reader.read(value)
        else:
            assert reader.read(value) == value


def test_a_person_may_take_damaged_ids_as_they_are() -> None:
    found = evidence("4.00126E+12")
    reading = found.reading(DamagedIds.TAKE, None)
    assert found.questions("customer", reading) == []
    assert IdReader(reading).read("4.00126E+12") == "4.00126E+12"


def test_a_decimal_zero_is_left_out_where_all_numbers_have_one() -> None:
    found = evidence("13085.0", "A-1", "13086.0", "")
    reading = found.reading(None, None)
    assert found.questions("customer", reading) == []
    assert found.remarks("customer", reading) == [
        "Column 'customer': ids lose a decimal 0; 13085.0 is 13085."
    ]
    assert [IdReader(reading).read(text) for text in ("13085.0", "A-1", "13086,00")] == [
        "13085",
        "A-1",
        "13086",
    ]


@pytest.mark.parametrize("other", ["13085", 13085, 13085.0])
def test_ids_with_and_without_a_decimal_zero_are_asked_about(other: object) -> None:
    found = evidence("13085.0", other)
    reading = found.reading(None, None)
    (question,) = found.questions("customer", reading)
    assert "'13085.0' in line 2 have a decimal 0, and 1 such as '13085" in question
    with pytest.raises(Unreadable, match="write both alike"):
        IdReader(reading).read("13085.0")
    joined, kept = (found.reading(None, each) for each in FloatIds)
    assert (IdReader(joined).read("13085.0"), IdReader(kept).read("13085.0")) == ("13085", "13085.0")
    assert found.questions("customer", joined) == found.questions("customer", kept) == []


def test_versions_and_sizes_keep_their_decimals() -> None:
    found = evidence("1.0", "1.5", "2.0")
    reading = found.reading(None, None)
    assert found.questions("product", reading) == []
    assert IdReader(reading).read("1.0") == "1.0"


def test_zeros_that_may_be_lost_are_remarked_on() -> None:
    found = evidence("00123", "00456", "789")
    (remark,) = found.remarks("customer", found.reading(None, None))
    assert "2 ids of 5 digits begin with 0, others are shorter, such as '789' in line 4" in remark
    plain = evidence("00123", "45678", "A")
    assert plain.remarks("customer", plain.reading(None, None)) == []


@pytest.mark.parametrize("value", [4001260000000, 4001260000000.0])
def test_rounded_numbers_are_damage_whatever_type_they_have(value: float) -> None:
    found = evidence(value)
    assert "long ids end in 0 as if rounded, first '4001260000000' in line 2" in questions(value)[0]
    with pytest.raises(Unreadable, match="a spreadsheet has changed it"):
        IdReader(found.reading(None, None)).read(value)
