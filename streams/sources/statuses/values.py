"""Meaning of one value of a status column: a sale, no sale, or unknown."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from streams.sources.statuses.words import BACK, LEADING, NO_SALE, NOT, PARTLY, SALE, SUBJECTS, YES

_PARTS: Final = re.compile(r" - |[:/(),;>|]")
_SEPARATORS: Final = re.compile(r"[\W_]+")


def folded(value: str) -> str:
    """Fold the case of a value that a person names, or that a cell holds."""
    return " ".join(unicodedata.normalize("NFKC", value).split()).casefold()


def letters(value: str) -> str:
    """Reduce a value to its letters, small and without accents: `Partially_Paid` becomes `partiallypaid`."""
    return re.sub(r"[^a-z]", "", unicodedata.normalize("NFKD", value).lower())


@lru_cache(maxsize=1 << 12)
def meaning(value: str) -> bool | None:
    """Return True if a status means a sale, False if it means none; None where it is unknown.

    In a status of several parts, such as `Shipped - Returned to Seller`, a part that means no sale decides.

    >>> meaning("wc-completed"), meaning("Canceled"), meaning("partially_refunded"), meaning("on hold")
    (True, False, True, None)
    """
    text = value.strip().removeprefix("wc-")
    whole = _meaning(text)
    if whole is not None:
        return whole
    parts = [_meaning(part) for part in _PARTS.split(text)]
    return False if False in parts else True if True in parts else None


def is_partly(value: str) -> bool:
    """Return True if a status means that an order is refunded in part."""
    word = letters(value)
    return any(part in word for part in PARTLY) and any(end in word for end in BACK)


def _meaning(text: str) -> bool | None:
    word = letters(text)
    for each in (word, *(word.removeprefix(subject) for subject in SUBJECTS)):
        if each in NO_SALE:
            return False
        if each in SALE:
            return True
    if is_partly(text):
        return True
    partly = any(part in word for part in PARTLY)
    # A reason may follow, as in `Cancelled by customer`.
    first = letters(_SEPARATORS.split(text.strip(), maxsplit=1)[0])
    return False if first in LEADING and not partly else None


def is_nothing(text: str) -> bool:
    """Return True if a cell holds no or nothing, as `0`, `false` and `0000-00-00` do."""
    return not text.strip("0-: .T/Z") or letters(text) in NOT


def is_yes(text: str) -> bool:
    """Return True if a cell holds yes."""
    return text in ("1", "1.0") or letters(text) in YES
