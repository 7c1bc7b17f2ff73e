"""Patterns of written dates, and the parts of a text that matches one of them."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.sources.values.counted import Counted, counted, has_lost_digits
from streams.sources.values.evidence import Unreadable
from streams.sources.values.times_of_day import ClockTime

_OFFSET: Final = (
    r"(?P<offset>[Zz]|(?i:utc?|gmt)|(?i:utc|gmt)?[+\-\u2212]\d{1,2}(?::?\d{2}(?::?\d{2})?)?)"
    r"(?: *\([^()]{1,60}\)|(?<=\d) [A-Z]{2,5})?"
)
_ZONE: Final = r"(?:\[(?P<zone>[A-Za-z][\w/+\-]*)\]|(?P<region>[A-Z][A-Za-z]+/[A-Z][\w/+\-]*))"
_TIME: Final = (
    r"(?:(?:(?P<iso>[Tt])| - |:|,? *(?:at |um )?)(?P<hour>\d{1,2})"
    r"(?:[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,:](?P<fraction>\d+))?)?)?"
    r"(?: *(?P<half>[AaPp]\.? ?[Mm]\.?)| ?(?P<word>Uhr|h))?)?"
    r" *(?:" + _OFFSET + r")? *" + _ZONE + "?"
)
_BEHIND: Final = r"(?:(?=[Tt ,:])" + _TIME + r"|(?P<bare>[Zz]|[+-]\d{2}:\d{2}))?"
"""Pattern of time, offset and zone behind a date; XML writes an offset right behind it."""
_YEAR_FIRST: Final = re.compile(
    r"(?P<year>\d{4})(?P<mark>[-/.:])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})" + _BEHIND
)
_COMPACT: Final = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:[Tt ]?(?P<hour>\d{2}):?(?P<minute>\d{2})"
    r"(?::?(?P<second>\d{2})(?:(?:[.,]|(?=\d{3}(?:\D|$)))(?P<fraction>\d+))?)?"
    r" *(?:" + _OFFSET + r")?" + _ZONE + "?)?"
)
YEAR_LAST: Final = re.compile(
    r"(?P<a>\d{1,2})(?P<mark>[-/.]) ?(?P<b>\d{1,2})(?P=mark) ?(?P<year>\d{4}|\d{2})" + _BEHIND
)
NAMED: Final = re.compile(
    r"(?:[A-Za-z]{3,9}\.?,? +)??(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?[-/. ]*(?P<name>[A-Za-z]{3,9})\.?|"
    r"(?P<name2>[A-Za-z]{3,9})\.?[- ]+(?P<day2>\d{1,2})(?:st|nd|rd|th)?),?[-/. ]*(?P<year>\d{4}|(?<=-)\d{2})"
    + _BEHIND
)
_NAMED_BEHIND: Final = re.compile(
    r"(?P<year>\d{4})(?P<mark>[-/. ])(?P<name>[A-Za-z]{3,9})(?P=mark)(?P<day>\d{1,2})" + _BEHIND
)
_C_STYLE: Final = re.compile(
    r"(?:[A-Za-z]{3} +)?(?P<name>[A-Za-z]{3}) +(?P<day>\d{1,2}) +(?P<hour>\d{1,2}):(?P<minute>\d{2})"
    r":(?P<second>\d{2}) +(?:" + _OFFSET + r" +)?(?P<year>\d{4})"
)
_PATTERNS: Final = (_YEAR_FIRST, YEAR_LAST, _COMPACT, NAMED, _NAMED_BEHIND, _C_STYLE)
_WEEKDAY: Final = re.compile(
    r"(?i:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?|"
    r"sun(?:day)?|mo(?:ntag)?|di(?:enstag)?|mi(?:ttwoch)?|do(?:nnerstag)?|fr(?:eitag)?|sa(?:mstag)?|"
    r"sonnabend|so(?:nntag)?)\.?,? *(?=\d)"
)
"""Pattern of a weekday in front of a date of digits, in English or German."""
_LETTERS: Final = re.compile(r".*\d *(?P<zone>[A-Z]{2,5})")
_WHOLE: Final = re.compile(r"(\d{5,19})\.0+")
"""Pattern of a number from a program that keeps decimals, such as `20240201.0`."""
_BLANKS: Final = str.maketrans("\u00a0\u2009\u202f", "   ", "\u200e\u200f")
"""Table that replaces blanks that do not break, as before AM and PM, and drops marks that only set the
direction of writing."""
_LONGEST: Final = 120
"""Letters of a date. A longer text is no date, and is not searched."""
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


def matched(text: str) -> re.Match[str] | None:
    """Match a text with the patterns of written dates, without a weekday in front; None if none fits."""
    if len(text) > _LONGEST:
        return None
    if not text.isascii():
        text = text.translate(_BLANKS)
    if not text[:1].isdigit() and (weekday := _WEEKDAY.match(text)):
        text = text[weekday.end() :]
    elif whole := _WHOLE.fullmatch(text):
        text = whole[1]
    if text.isdecimal() and counted(text):
        return None
    return next((found for pattern in _PATTERNS if (found := pattern.fullmatch(text))), None)


def count_of(text: str) -> Counted | None:
    """Read a text as a moment in one number; None if it is none."""
    whole = _WHOLE.fullmatch(text)
    return counted(whole[1] if whole else text)


def day_of(text: str, found: re.Match[str]) -> tuple[int, int, int]:
    """Return year (as written), month and day of a date whose digits can be read in one way only."""
    groups = found.groupdict()
    if groups.get("month"):
        return int(groups["year"]), int(groups["month"]), int(groups["day"])
    name = groups["name"] or groups["name2"]
    return int(groups["year"]), _month(text, name), int(groups["day"] or groups["day2"])


def no_date(text: str) -> str:
    """Explain why a text is no date, as far as its shape shows."""
    if not text:
        return "is empty"
    if has_lost_digits(text):
        return (
            f"{text!r} has lost digits in a spreadsheet: format the column as a number without an exponent "
            "or as a date, and export it again"
        )
    zone = _LETTERS.fullmatch(text[:_LONGEST])
    if zone is not None and matched(text[: zone.start("zone")].rstrip()):
        return (
            f"{text!r} names its zone by the letters {zone['zone']!r}, which several zones share: export it "
            "with an offset such as +01:00"
        )
    return f"{text!r} is no date that can be read"


def clock_and_zone(text: str, found: re.Match[str]) -> tuple[ClockTime | None, tzinfo | None]:
    """Return time of day and zone of a written date; None for each that it lacks.

    Raises:
        Unreadable: The time or the zone cannot be read.
    """
    parts = found.groupdict()
    written = parts.get("offset") or parts.get("bare")
    name = parts.get("zone") or parts.get("region")
    zone: tzinfo | None = None
    if written:
        zone = UTC if written.isalpha() else _offset(text, written)
    elif name:
        zone = _region(text, name)
    if parts.get("hour") is None:
        return None, zone
    half, minute = parts.get("half"), parts.get("minute")
    alone = half or parts.get("word") or (parts.get("iso") and len(parts["hour"]) == 2)
    if minute is None and not alone:
        raise Unreadable(f"{text!r} has an hour without minutes")
    hour = int(parts["hour"])
    if half:
        if not 1 <= hour <= 12:
            raise Unreadable(f"{text!r} has no hour {hour} before or after noon")
        hour = hour % 12 + (12 if half.lower().startswith("p") else 0)
    fraction = (parts.get("fraction") or "").ljust(6, "0")[:6]
    return ClockTime(hour, int(minute or 0), int(parts.get("second") or 0), int(fraction)), zone


def _region(text: str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Unreadable(f"{text!r} names the time zone {name!r}, which is none") from error


def _offset(text: str, written: str) -> timezone:
    digits = re.sub(r"[^\d:+\-\u2212]", "", written)
    parts = digits[1:].split(":") if ":" in digits else re.findall(r"^\d{1,2}(?=(?:\d\d)*$)|\d\d", digits[1:])
    hours, minutes, seconds = (*map(int, parts), 0, 0)[:3]
    length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if length >= timedelta(hours=24) or minutes > 59 or seconds > 59:
        raise Unreadable(f"{text!r} has no offset of a time zone")
    return timezone(length if digits[0] == "+" else -length)


def _month(text: str, name: str) -> int:
    found = [number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.lower())]
    if len(found) != 1 and name.lower() != "sept":
        raise Unreadable(f"{text!r} has no month {name!r}, in English")
    return found[0] if found else 9
