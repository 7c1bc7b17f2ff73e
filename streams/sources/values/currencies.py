"""Signs of currencies, from the Unicode CLDR in Babel, as the people who pay in the currencies write them.

A sign may stand for several currencies (`$`, `kr`, `¥`): it is read as the service's own currency where that
is possible. The CLDR gives for each language how the money of its countries is written. `_TILLS` adds what
tills write beside that.
"""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TILLS: Final[Mapping[str, str]] = {
    "AED": "Dh Dhs",
    "BGN": "lv",
    "CHF": "Fr SFr",
    "CNY": "RMB 元 ¥ 圆",
    "CZK": "Kc",
    "DKK": "kr",
    "EGP": "LE L.E E£ £",
    "EUR": "Euro",
    "GBP": "£ GB£",
    "HUF": "Ft",
    "IDR": "Rp",
    "ILS": "NIS",
    "INR": "Rs Re रु",
    "JPY": "円 ¥ JP¥",
    "KES": "KSh Ksh",
    "KRW": "won 원",
    "LKR": "Rs",
    "MUR": "Rs",
    "MYR": "RM",
    "NPR": "Rs",
    "PEN": "S/",
    "PHP": "P Php",
    "PKR": "Rs",
    "PLN": "zl",
    "RON": "lei leu L",
    "RSD": "din дин",
    "RUB": "руб р rub",  # noqa: RUF001 - Cyrillic, as it is written
    "SAR": "SR",
    "SCR": "Rs",
    "THB": "Baht",
    "TRY": "TL",
    "UAH": "грн",
    "USD": "US$ U$",
    "VND": "đ VNĐ",
}
"""Currency -> signs that tills and spreadsheets write and the CLDR lacks, in any case, without a closing
point."""


@lru_cache(maxsize=1 << 10)
def stands_for(sign: str, currency: str) -> bool:
    """Return True if a sign or code may stand for a currency.

    Args:
        sign: Sign as written in the file, such as `zł`, `Rs.` or `CA$`.
        currency: ISO 4217 code.

    >>> stands_for("CA$", "CAD"), stands_for("$", "CAD"), stands_for("C$", "CAD"), stands_for("US$", "CAD")
    (True, True, True, False)
    """
    plain = _plain(sign)
    return plain.upper() == currency or plain in _known(currency) or plain in _signs(currency)


@lru_cache(maxsize=1 << 10)
def is_currency(sign: str) -> bool:
    """Return True if a text is the sign or the code of any currency."""
    plain = _plain(sign)
    return plain.upper() in _codes() or plain in _usual() or plain in _every()


@cache
def _signs(currency: str) -> frozenset[str]:
    """Find the signs of a currency, in the languages of the countries that pay with it."""
    found = set(_known(currency))
    for language, territory in _tongues(currency):
        found |= _symbols(language, territory, currency)
    if any(sign.endswith("$") for sign in found):
        # The letters of its country tell one dollar from another: C$, CA$. At home it is just a dollar.
        found |= {"$", f"{currency[:1].casefold()}$", f"{currency[:2].casefold()}$"}
    return frozenset(found)


@cache
def _known(currency: str) -> frozenset[str]:
    """Find the signs of a currency that tills write, or that English has."""
    tills = frozenset(_plain(sign) for sign in _TILLS.get(currency, "").split())
    return tills | _symbols("en", None, currency)


@cache
def _codes() -> frozenset[str]:
    from babel.core import get_global  # noqa: PLC0415 - as in `_tongues`

    return frozenset(get_global("all_currencies"))


@cache
def _usual() -> frozenset[str]:
    """Collect the signs that are found without a search through every language."""
    return frozenset(sign for code in _codes() for sign in _known(code))


@cache
def _every() -> frozenset[str]:
    """Collect the signs of all currencies. The search takes about a second; only odd texts need it."""
    return frozenset(sign for currency in _countries() for sign in _signs(currency))


@cache
def _countries() -> Mapping[str, tuple[str, ...]]:
    """Map each currency to the countries that pay with it.

    A currency without any is mapped to its former countries.
    """
    from babel.core import get_global  # noqa: PLC0415 - as in `_tongues`

    today: dict[str, tuple[str, ...]] = {}
    once: dict[str, tuple[str, ...]] = {}
    for territory, currencies in get_global("territory_currencies").items():
        for code, _, end, tender in currencies:
            found = today if tender and end is None else once
            found[code] = (*found.get(code, ()), territory)
    return once | today


def _tongues(currency: str) -> Iterator[tuple[str, str]]:
    """Yield (language, country) for a currency: the official languages of each country that pays with it."""
    from babel.core import get_global  # noqa: PLC0415 - takes 0.05 s, which files without signs need not wait

    languages = get_global("territory_languages")
    for territory in _countries().get(currency, ()):
        for language, facts in languages.get(territory, {}).items():
            if facts["official_status"] in ("official", "de_facto_official"):
                yield language, territory


def _symbols(language: str, territory: str | None, currency: str) -> frozenset[str]:
    """Find how a language writes a currency; empty where it writes the code or Babel lacks the language."""
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - as in `_tongues`

    try:
        sign = Locale.parse(f"{language}_{territory}" if territory else language).currency_symbols.get(
            currency
        )
    except (UnknownLocaleError, ValueError):
        return frozenset()
    plain = "" if sign in (None, currency) else _plain(sign)
    return frozenset({plain} if plain else ())


@lru_cache(maxsize=1 << 12)
def _plain(sign: str) -> str:
    """Bring a sign to one form: `kr.` and `KR` become `kr`, and a wide yen becomes a yen."""
    folded = unicodedata.normalize("NFKC", sign).casefold()
    kept = "".join(
        letter for letter in folded if not letter.isspace() and unicodedata.category(letter) != "Cf"
    )
    return kept.rstrip(".")
