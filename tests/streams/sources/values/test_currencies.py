"""A currency is known by the signs that the CLDR gives it, and by those of tills."""

from __future__ import annotations

import pytest
from babel.core import get_global

from streams.sources.values.currencies import is_currency, stands_for


@pytest.mark.parametrize("code", sorted(get_global("all_currencies")))
def test_a_code_stands_for_its_currency_in_any_case(code: str) -> None:
    assert stands_for(code, code)
    assert stands_for(code.lower(), code)
    assert is_currency(code)


@pytest.mark.parametrize(
    ("sign", "currencies"),
    [
        ("$", ("USD", "CAD", "AUD", "MXN", "SGD", "HKD", "CLP")),
        ("kr", ("SEK", "NOK", "DKK", "ISK")),
        ("¥", ("JPY", "CNY")),
        ("£", ("GBP", "EGP")),
        ("Rs", ("INR", "PKR", "LKR", "NPR", "MUR")),
        ("C$", ("CAD", "NIO")),
    ],
)
def test_a_shared_sign_stands_for_each_of_its_currencies(sign: str, currencies: tuple[str, ...]) -> None:
    assert all(stands_for(sign, currency) for currency in currencies)
    assert not stands_for(sign, "EUR")


@pytest.mark.parametrize("text", ["kg", "pieces", "bananas", "", "?", "x"])
def test_other_words_are_no_currency(text: str) -> None:
    assert not is_currency(text)
