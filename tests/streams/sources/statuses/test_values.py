"""Statuses mean what most shops mean by them; where shops differ, nobody knows."""

from __future__ import annotations

import pytest

from streams.sources.statuses.values import is_nothing, is_partly, meaning
from streams.sources.statuses.words import NO_SALE, SALE


@pytest.mark.parametrize("value", ["closed", "on hold", "new", "open", "disputed", "3", "gold"])
def test_what_means_different_things_in_different_shops_is_not_judged(value: str) -> None:
    assert meaning(value) is None


def test_no_word_is_both_a_sale_and_none() -> None:
    assert not NO_SALE & SALE


@pytest.mark.parametrize(
    ("value", "sale"),
    [
        ("Payment failed", False),
        ("PartiallyRefunded", True),
        ("teilweise erstattet", True),
        ("Cancelled - refunded", False),
        ("Shipped: lost", True),
        ("Rejected by Buyer", False),
        ("remboursé partiellement", True),
    ],
)
def test_statuses_of_several_words_are_understood(value: str, *, sale: bool) -> None:
    assert meaning(value) is sale


def test_a_status_of_a_part_is_told_from_one_of_the_whole() -> None:
    assert [is_partly(value) for value in ("partially_refunded", "refunded", "partial")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("value", ["", "0", "0000-00-00 00:00:00", "-", "false", "Nein", "NULL"])
def test_what_programs_write_for_no_is_nothing(value: str) -> None:
    assert is_nothing(value)
