"""Numbers as people and programs write them: signs, currencies, thousands, and a decimal point or comma.

A currency's sign may stand before or behind the number (`currencies`), and the minus on either side of it.
Thousands are separated by commas, points, apostrophes or blanks, lakhs by commas. Digits may be those of any
script. A quantity may be followed by a word for pieces, and by no other unit.
"""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal
from functools import lru_cache
from typing import Final

from streams.sources.values.currencies import is_currency, stands_for
from streams.sources.values.evidence import DecimalMark, Unreadable

_SIMPLE: Final = re.compile(r"-?[0-9]+(?:[.,](?:[0-9]{1,2}|[0-9]{4,}))?")
"""Form of most numbers, in which nothing can be read in two ways."""
_LONGEST: Final = 64
"""Letters of a number. A longer text is no number, and is not searched."""
_AFFIX: Final = (
    r"(?:F[\u00a0\u202f ]CFA|[A-Z]{1,3} \$"
    r"|(?:[^\W\d_]\.?|/\.?|[^\w\s.,'\u2019\u00b4()+\-\u2212\u2013%\u066a#*=<>@&!?:;\"/]){1,8})"
)
"""Pattern of a currency's sign or code, or of a unit: letters, a point behind one of them, and symbols."""
_SHAPE: Final = re.compile(
    r"(?P<open>\()?(?P<sign>[-+\u2212\u2013])?\s*(?P<before>" + _AFFIX + r")?\s*(?P<open2>\()?"
    r"(?P<sign2>[-+\u2212\u2013])?\s*(?P<body>[0-9][0-9.,'\u2019\u00b4\s]*|[.,][0-9]+)(?:(?<=[.,])[-\u2013\u2014]{1,2}|/-)?"
    r"\s*(?P<close>\))?(?P<tail>[-\u2212])?\s*(?P<after>" + _AFFIX + r")?(?P<tail2>[-\u2212])?(?P<close2>\))?"
)
_SCIENTIFIC: Final = re.compile(r"[-+]?(?:\d+[.,]?\d*|[.,]\d+)[eE][-+]?\d{1,3}")
_BLANKS: Final = re.compile(r"(?<=\d)['\u2019\u00b4\s](?=\d{3}(?!\d))")
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,3}(?:\.\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}")
_PLAIN: Final = re.compile(r"\d+")
_BYTES: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)")
_PIECES: Final = frozenset(
    {
        *("x", "\u00d7", "pc", "pcs", "pce", "piece", "pieces", "unit", "units", "ea", "each", "st", "stk"),
        *("stck", "st\u00fcck", "pz", "pza", "pzas", "ud", "uds", "un", "und", "szt", "ks", "db", "kpl"),
        *("tk", "adet", "\u0448\u0442", "\u4e2a", "\u500b", "\u4ef6", "\u70b9"),
    }
)
"""Words for pieces, in lower case without a closing point; none of them changes a quantity."""


class _Ascii(dict[int, int | None]):
    """Table for `str.translate` that turns digits of any script into ASCII.

    The table drops characters that only set the direction of writing.
    """

    def __missing__(self, code: int) -> int | None:
        letter = chr(code)
        kept: int | None = ord(str(unicodedata.decimal(letter))) if letter.isdecimal() else code
        self[code] = None if unicodedata.category(letter) == "Cf" else kept
        return self[code]


_ASCII: Final = _Ascii(
    {0x066B: ord("."), 0x066C: ord(","), 0xFF0E: ord("."), 0xFF0C: ord(","), 0xFF0D: ord("-")}
)


@lru_cache(maxsize=1 << 16)
def mark_of(text: str) -> tuple[bool, DecimalMark | None]:
    """Find out if the decimal mark of a number matters, and which mark it must be.

    Returns:
        True if the mark matters, and the mark; None where it can be either, or does not matter.

    >>> mark_of("1,250.5"), mark_of("2,5"), mark_of("1.250"), mark_of("12")
    ((True, <DecimalMark.POINT: 'point'>), (True, <DecimalMark.COMMA: 'comma'>), (True, None), (False, None))
    """
    if _SIMPLE.fullmatch(text) or _SCIENTIFIC.fullmatch(text):
        written = [
            mark for letter, mark in ((",", DecimalMark.COMMA), (".", DecimalMark.POINT)) if letter in text
        ]
        return bool(written), written[0] if written else None
    found = _shape(text)
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
    """Return True if a text has the shape of a number, however its marks are meant."""
    if _SIMPLE.fullmatch(text) or _SCIENTIFIC.fullmatch(text):
        return True
    found = _shape(text)
    return found is not None and all(_is_piece(sign) or is_currency(sign) for sign in _affixes(found))


@lru_cache(maxsize=1 << 16)
def signs_of(text: str) -> tuple[str, ...]:
    """Find the currencies' signs and codes in an amount, as they are written.

    >>> signs_of("Rs. 250"), signs_of("2.50"), signs_of("2 pcs")
    (('Rs.',), (), ())
    """
    found = None if _SIMPLE.fullmatch(text) else _shape(text)
    return tuple(sign for sign in _affixes(found) if is_currency(sign)) if found else ()


@lru_cache(maxsize=1 << 16)
def other_currency(text: str, currency: str) -> str:
    """Return the sign or code in an amount that can only stand for another currency; else empty.

    >>> other_currency("2.55 EUR", "GBP"), other_currency("£2.55", "GBP"), other_currency("2.55", "GBP")
    ('EUR', '', '')
    """
    if _SIMPLE.fullmatch(text):
        return ""
    found = _shape(text)
    return next((sign for sign in _affixes(found) if not stands_for(sign, currency)), "") if found else ""


class NumberReader:
    """Reader of one file's numbers.

    Args:
        mark: Mark that begins the decimals; None where neither the file nor a person has settled it.
        told: True if a person gave the mark.

    >>> NumberReader(DecimalMark.COMMA, told=True).read("(1.234,50)")
    -1234.5
    """

    def __init__(self, mark: DecimalMark | None, *, told: bool) -> None:
        self._mark = mark
        self._told = told
        self._contrary = {None: "", DecimalMark.COMMA: ".", DecimalMark.POINT: ","}.get(
            mark if told else None, ""
        )
        self.read = lru_cache(maxsize=1 << 16)(self._read)
        """Function that reads a text as a number; raises `Unreadable`."""

    def number(self, value: object) -> float:
        """Read a cell as a number.

        Raises:
            Unreadable: The cell is empty, or holds no number.
        """
        if isinstance(value, str):
            return self.read(value)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise Unreadable("is empty" if value is None else f"{value!r} is no number")

    def quantity(self, value: object) -> float:
        """Read a cell as a number of pieces.

        Raises:
            Unreadable: The cell holds no number, or an amount of money, or a weight.
        """
        if isinstance(value, str) and not _SIMPLE.fullmatch(value) and (found := _shape(value)):
            for unit in _affixes(found):
                if not _is_piece(unit):
                    raise Unreadable(
                        f"{value!r} counts in {unit!r}: a quantity is a number of pieces, such as 2 or 2 pcs"
                    )
        return self.number(value)

    def _read(self, text: str) -> float:
        if _SIMPLE.fullmatch(text) and not (self._contrary and self._contrary in text):
            return self._finite(text.replace(",", "."), text)
        if _SCIENTIFIC.fullmatch(text):
            return self._finite(text.replace(",", "."), text)
        found = _shape(text)
        opened = [found["open"], found["open2"]] if found else []
        if found is None or len([*filter(None, opened)]) != sum(map(bool, (found["close"], found["close2"]))):
            raise Unreadable(_no_number(text))
        signs = [*opened, found["sign"], found["sign2"], found["tail"], found["tail2"]]
        if sum(sign is not None for sign in signs) > 1:
            raise Unreadable(f"{text!r} is no number: it has two signs")
        affixes = _affixes(found)
        unknown = [sign for sign in affixes if not _is_piece(sign) and not is_currency(sign)]
        if unknown:
            raise Unreadable(f"{text!r} is no number: {unknown[0]!r} is no currency's sign that is known")
        return self._valued(
            text, found, negative=any(sign in ("(", "-", "\u2212", "\u2013") for sign in signs)
        )

    def _valued(self, text: str, found: re.Match[str], *, negative: bool) -> float:
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
        return self._finite(f"{'-' if negative else ''}{whole or 0}.{rest or 0}", text)

    @staticmethod
    def _finite(digits: str, text: str) -> float:
        number = float(digits)
        if not math.isfinite(number):
            raise Unreadable(f"{text!r} is too large a number")
        return number


@lru_cache(maxsize=1 << 10)
def _shape(text: str) -> re.Match[str] | None:
    """Find the parts of a number, in ASCII digits and marks; None if the text is no number or too long."""
    if len(text) > _LONGEST:
        return None
    return _SHAPE.fullmatch(text if text.isascii() else text.translate(_ASCII))


def _affixes(found: re.Match[str]) -> list[str]:
    return [sign for sign in (found["before"], found["after"]) if sign]


def _is_piece(unit: str) -> bool:
    return unit.casefold().rstrip(".") in _PIECES


def _no_number(text: str) -> str:
    """Explain why a text is no number. Debezium writes decimals as bytes, whose scale is not in the file."""
    if not text:
        return "is empty"
    if _BYTES.fullmatch(text):
        return (
            f"{text!r} is no number but bytes in base64, as Debezium writes decimals: set its "
            "decimal.handling.mode to string and export again"
        )
    percent = ": it is a percentage" if text.endswith(("%", "\u066a")) or text.startswith("%") else ""
    return f"{text!r} is no number{percent}"
