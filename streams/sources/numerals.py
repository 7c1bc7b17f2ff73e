"""Numbers as people and programs write them: signs, currencies, thousands, and a decimal point or comma."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

from streams.sources.dates import Unreadable
from streams.sources.evidence import DecimalMark

_SHAPE: Final = re.compile(
    r"(?P<open>\()?(?P<sign>[-+\u2212])? *(?P<before>[$€£¥]|[A-Z]{3})? *(?P<sign2>[-+\u2212])?"
    r"(?P<body>\d[\d.,'\u2019 \u00a0\u202f]*|[.,]\d+) *(?P<after>[$€£¥]|[A-Z]{3})?(?P<tail>-)?(?P<close>\))?"
)
_SCIENTIFIC: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d{1,3}")
_BLANKS: Final = re.compile(r"(?<=\d)['\u2019 \u00a0\u202f](?=\d{3}(?!\d))")
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,3}(?:\.\d{3})+")
_PLAIN: Final = re.compile(r"\d+")
_BYTES: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)")
_SIGNS: Final = {
    "€": "EUR",
    "£": "EGP FKP GBP GIP LBP SDG SHP SSP SYP",
    "¥": "CNY JPY",
    "$": "ARS AUD BBD BMD BND BRL BSD BZD CAD CLP COP CUP DOP FJD GYD HKD JMD KYD LRD MXN NAD NIO NZD SBD "
    "SGD SRD TTD TWD USD UYU XCD",
}
"""The currencies that a sign may stand for; by the symbols of the Unicode CLDR."""


@lru_cache(maxsize=1 << 16)
def mark_of(text: str) -> tuple[bool, DecimalMark | None]:
    """Whether the decimal mark of a number matters, and which it must be; None where it can be either.

    >>> mark_of("1,250.5"), mark_of("2,5"), mark_of("1.250"), mark_of("12")
    ((True, <DecimalMark.POINT: 'point'>), (True, <DecimalMark.COMMA: 'comma'>), (True, None), (False, None))
    """
    if _SCIENTIFIC.fullmatch(text):
        return "." in text, DecimalMark.POINT if "." in text else None
    found = _SHAPE.fullmatch(text)
    body = _BLANKS.sub("", found["body"].rstrip()) if found else ""
    points, commas = body.count("."), body.count(",")
    if not points and not commas:
        return False, None
    if points and commas:
        return True, DecimalMark.POINT if body.rindex(".") > body.rindex(",") else DecimalMark.COMMA
    if points > 1 or commas > 1:
        return True, DecimalMark.COMMA if points else DecimalMark.POINT
    own = DecimalMark.POINT if points else DecimalMark.COMMA
    whole, _, rest = body.partition("." if points else ",")
    if len(rest) == 3 and 1 <= len(whole) <= 3 and whole[0] != "0":
        return True, None
    return True, own


def is_number(text: str) -> bool:
    """Whether a text has the shape of a number, however its marks are meant."""
    return _SHAPE.fullmatch(text) is not None or _SCIENTIFIC.fullmatch(text) is not None


@lru_cache(maxsize=1 << 16)
def other_currency(text: str, currency: str) -> str:
    """The sign or code in an amount that can only stand for another currency than `currency`; else empty.

    >>> other_currency("2.55 EUR", "GBP"), other_currency("£2.55", "GBP"), other_currency("2.55", "GBP")
    ('EUR', '', '')
    """
    found = _SHAPE.fullmatch(text)
    for written in (found["before"], found["after"]) if found else ():
        if written and written != currency and currency not in _SIGNS.get(written, ""):
            return str(written)
    return ""


class NumberReader:
    """Reads the numbers of one file.

    Args:
        mark: What begins the decimals; None where neither the file nor a person has said.
        told: Whether a person said so.

    >>> NumberReader(DecimalMark.COMMA, told=True).read("(1.234,50)")
    -1234.5
    """

    def __init__(self, mark: DecimalMark | None, *, told: bool) -> None:
        self._mark = mark
        self._told = told
        self.read = lru_cache(maxsize=1 << 16)(self._read)
        """The number that a text is; raises `Unreadable`."""

    def number(self, value: object) -> float:
        """The number that a cell holds; raises `Unreadable`."""
        if isinstance(value, str):
            return self.read(value)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise Unreadable("is empty" if value is None else f"{value!r} is no number")

    def _read(self, text: str) -> float:
        if _SCIENTIFIC.fullmatch(text):
            return self._finite(text, text)
        found = _SHAPE.fullmatch(text)
        if found is None or (found["open"] is None) != (found["close"] is None):
            raise Unreadable(_no_number(text))
        signs = [found["open"], found["sign"], found["sign2"], found["tail"]]
        if sum(sign is not None for sign in signs) > 1:
            raise Unreadable(f"{text!r} is no number: it has two signs")
        matters, mark = mark_of(text)
        if matters and mark is None and self._mark is None:
            raise Unreadable(
                f"{text!r} can be read with a decimal point and with a decimal comma; say --decimal"
            )
        if self._told and self._mark is not None and mark not in (None, self._mark):
            raise Unreadable(f"{text!r} has no decimal {self._mark.value}")
        body = _BLANKS.sub("", found["body"].rstrip())
        decimal = "," if (mark or self._mark) is DecimalMark.COMMA else "."
        whole, _, rest = body.partition(decimal)
        if not _PLAIN.fullmatch(whole):
            if whole and not _GROUPED.fullmatch(whole):
                raise Unreadable(f"{text!r} is no number: its digits are not in threes")
            whole = whole.replace("," if decimal == "." else ".", "")
        if rest and not _PLAIN.fullmatch(rest):
            raise Unreadable(f"{text!r} is no number")
        negative = any(sign in ("(", "-", "\u2212") for sign in signs)
        return self._finite(f"{'-' if negative else ''}{whole or 0}.{rest or 0}", text)

    @staticmethod
    def _finite(digits: str, text: str) -> float:
        number = float(digits)
        if not math.isfinite(number):
            raise Unreadable(f"{text!r} is too large a number")
        return number


def _no_number(text: str) -> str:
    """Say why a text is no number; Debezium writes decimals as bytes, whose scale is not in the file."""
    if not text:
        return "is empty"
    if _BYTES.fullmatch(text):
        return (
            f"{text!r} is no number but bytes in base64, as Debezium writes decimals: set its "
            "decimal.handling.mode to string and export again"
        )
    return f"{text!r} is no number"
