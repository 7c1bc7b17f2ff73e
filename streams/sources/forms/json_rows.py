"""JSON as rows: one object per line, an array, an object around a list, or objects one after the other."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.sources.columns import FIELDS
from streams.sources.forms.json_values import BETWEEN, JsonValues, blocks_of
from streams.sources.forms.nested import Paths
from streams.sources.forms.records import SAMPLE, Record, Records
from streams.sources.forms.tables import CUT_OFF, FileError
from streams.sources.forms.texts import LONGEST_LINE, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.sources.forms.texts import Encoding, Readable

_WRAPPERS: Final = frozenset(
    (
        *("orders", "data", "results", "result", "records", "rows", "transactions", "purchases", "sales"),
        *("events", "value", "values", "hits", "edges", "nodes", "entries", "elements", "list", "content"),
        *("response", "payload", "body", "invoices", "receipts", "export", "documents", "docs", "objects"),
        *("batch", "salesorders", "orderlist", "items"),
    )
)
"""Names under which programs put a list of orders, or an object that holds such a list; letters alone."""
_ABOUT: Final = frozenset(
    (
        *("searchcriteria", "totalcount", "total", "count", "page", "pages", "pagesize", "perpage", "limit"),
        *("offset", "next", "previous", "prev", "hasmore", "cursor", "links", "meta", "status", "object"),
        *("url", "size", "first", "last", "pagination", "pageinfo", "success", "errors", "message"),
    )
)
"""Names beside a list `items` that show that the list holds orders, and not the lines of one order."""
_OF_ONE: Final = frozenset(("id", *FIELDS["customer_id"], *FIELDS["basket_id"]))
"""Names that only one order, customer or event has. An object with such a name wraps no other objects."""
_TRUNCATED: Final = "Input data was truncated"
"""Text of the decoder's error where a value ends too early."""
_DEEPEST: Final = 4
_KEY: Final = re.compile(r'"((?:[^"\\]++|\\.)*+)"\s*+:\s*([\[{])?(\s*\{)?|[{}\[\]]|"(?:[^"\\]++|\\.)*+"')


class JsonRows(Records):
    """File of JSON objects.

    If the first line is a whole object, each line is decoded by itself; commas behind it are ignored.
    Otherwise the elements are cut out of the text wherever they lie (`JsonValues`). An object around a list
    of objects is replaced by the objects of the list. Each element is unwrapped in this way, because each may
    be a page of an answer.

    Raises:
        FileError: The beginning of the file holds no object.
    """

    def __init__(self, path: Readable, encoding: Encoding) -> None:
        self._path, self._encoding = path, encoding
        self.shown = str(path)
        """Name of the file, for a person."""
        self._decode = msgspec.json.Decoder().decode
        self._by_line, self.wrapper = self._arrangement()
        self.form = "JSON lines" if self._by_line and not self.wrapper else "JSON"
        found = [record.content for record in islice(self.records(), SAMPLE) if record.content is not None]
        if not any(found):
            raise FileError(f"{path} holds no JSON object among its first {SAMPLE:,}")
        super().__init__(Paths(found))

    def records(self) -> Iterator[Record]:
        """Yield every object; blank lines are skipped."""
        if self._by_line:
            last: Sequence[Record] = ()
            for line in lines_of(self._path, self._encoding):
                if text := line.text.strip(BETWEEN):
                    yield from last
                    last = self._objects(line.number, text, line.fault)
            yield from map(self._perhaps_cut_off, last)
            return
        for value in JsonValues(self._path, self._encoding, self.wrapper):
            yield from self._objects(value.number, value.text, value.fault)

    def _objects(self, number: int, text: str, fault: str) -> Sequence[Record]:
        """Return the objects of one element: the element itself, or the objects that it wraps."""
        if fault:
            content = self._in_part(text.replace("\\x", "?")) if " is not in " in fault else None
            return (Record(number, content, text, fault),)
        try:
            found = self._decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return (self._undecodable(number, text, error),)
        inner = self._unwrapped(found)
        if inner is None:
            return (_record(number, found, text),)
        return [_record(number, each, msgspec.json.encode(each).decode()) for each in inner]

    def _unwrapped(self, found: Any) -> list[Any] | None:
        """Return the list that an element is or wraps; None where there is no such list."""
        if isinstance(found, list):
            return found
        for step in self.wrapper:
            found = found.get(step) if isinstance(found, dict) else None
        return found if self.wrapper and isinstance(found, list) else None

    def _undecodable(self, number: int, text: str, error: Exception) -> Record:
        if isinstance(error, UnicodeError):
            data = text.encode(self._encoding.name, "surrogateescape")
            if self._encoding.fallback is not None:
                try:
                    again = data.decode(self._encoding.fallback)
                    content = self._decode(again)
                except (msgspec.MsgspecError, UnicodeError, RecursionError):
                    content = None
                if isinstance(content, dict):
                    return Record(number, _bare(content), again, "")
            fault = f"something in it is not in {self._encoding.name}: --fallback-encoding names another"
            shown = data.decode(self._encoding.name, "backslashreplace")
            return Record(number, self._in_part(data.decode(self._encoding.name, "replace")), shown, fault)
        return Record(number, None, text, f"is no JSON object: {error}")

    def _perhaps_cut_off(self, last: Record) -> Record:
        """Return the last record, with its fault changed where the file ends within the record."""
        if not last.fault:
            return last
        try:
            self._decode(last.text.replace("\\x", "?"))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            if str(error) == _TRUNCATED:
                return last._replace(content=None, fault=f"{CUT_OFF}it is closed")
        return last

    def _in_part(self, text: str) -> dict[str, Any] | None:
        """Decode an object with lost letters, which cannot be taken; None where more than letters is lost."""
        try:
            found = self._decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        return _bare(found) if isinstance(found, dict) else None

    def _arrangement(self) -> tuple[bool, tuple[str, ...]]:
        """Find out if each line is decoded by itself, and which names lead to the list of objects."""
        for line in lines_of(self._path, self._encoding):
            text = line.text.strip(BETWEEN)
            if not text:
                continue
            try:
                first = None if line.fault else self._decode(text)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                break
            if isinstance(first, dict):
                return True, wrapper_of(first)
            break
        return False, self._wrapper()

    def _wrapper(self) -> tuple[str, ...]:
        start = ""
        for block in blocks_of(self._path, self._encoding):
            start += block
            if len(start) > LONGEST_LINE:
                break
        start = start.lstrip(BETWEEN + "[")
        try:
            first = json.JSONDecoder().raw_decode(start)[0]
        except (ValueError, RecursionError):
            return wrapper_in(start)
        return wrapper_of(first) if isinstance(first, dict) else ()


def wrapper_of(found: dict[str, Any], depth: int = 0) -> tuple[str, ...]:
    """Return the names that lead to the list of objects that an object wraps; empty if it wraps none.

    >>> wrapper_of({"count": 1, "orders": [{"id": 7}]}), wrapper_of({"id": 7, "items": [{"sku": "A"}]})
    (('orders',), ())
    """
    names = {name: _letters(name) for name in found}
    if depth >= _DEEPEST or _OF_ONE & set(names.values()):
        return ()
    for name, letters in names.items():
        value = found[name]
        if letters not in _WRAPPERS or (letters == "items" and set(names.values()) - _ABOUT - {"items"}):
            continue
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            return (name,)
        if isinstance(value, dict) and (inner := wrapper_of(value, depth + 1)):
            return (name, *inner)
    return ()


def wrapper_in(start: str) -> tuple[str, ...]:
    """Find the wrapper in the beginning of an object that is too large to be read whole."""
    if not start.startswith("{"):
        return ()
    keys: list[str] = []
    names: list[set[str]] = [set()]
    skipped = 0
    for found in _KEY.finditer(start, 1):
        key, opened, of_objects = found[1], found[2], found[3]
        if key is None or skipped:
            deeper = (opened is not None) + (of_objects is not None) if key is not None else found[0] in "{["
            if found[0] in "}]" and not skipped:
                return ()
            skipped += deeper - (found[0] in "}]")
            continue
        letters = _letters(key)
        names[-1].add(letters)
        if letters in _OF_ONE:
            return ()
        about_others = letters == "items" and names[-1] - _ABOUT - {"items"}
        if opened == "[" and of_objects and letters in _WRAPPERS and not about_others:
            return (*keys, key)
        if opened == "{" and not of_objects and letters in _WRAPPERS:
            keys.append(key)
            names.append(set())
        elif opened:
            skipped = 1 + (of_objects is not None)
    return ()


def _record(number: int, found: Any, text: str) -> Record:
    if not isinstance(found, dict):
        return Record(number, None, text, f"is no JSON object: it is {_kind(found)}")
    return Record(number, _bare(found) if len(found) == 1 else found, text, "")


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _bare(found: dict[str, Any]) -> dict[str, Any]:
    """Remove enclosing objects that hold nothing else, as in `{"order": {...}}`."""
    while len(found) == 1:
        (inner,) = found.values()
        if not isinstance(inner, dict) or not inner:
            break
        found = inner
    return found


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    return "a text" if isinstance(value, str) else repr(value)
