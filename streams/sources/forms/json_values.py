"""Cutting of a JSON text into its elements, one at a time, in bounded memory.

An element is an object that stands alone, in an array, or in the one list of an object that wraps it, such as
`{"orders": [...]}`. Elements may follow each other with commas, line ends or nothing between them, and run
over many lines. Memory holds one element and one block of the file.

A broken element must cost only itself. While its brackets match, they show where the element ends. If the
brackets do not match, the next element is found by its place. Its opening brace stands at the beginning of a
line and is indented no more than the element before it. In addition JSON allows no brace there, or all lines
of the element before it are indented more.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.sources.forms.tables import CUT_OFF, FileError
from streams.sources.forms.texts import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.sources.forms.texts import Encoding, Readable

BETWEEN: Final = " \t\r\n,\x1e\ufeff"
"""Characters that may stand between elements: blanks, commas, byte order marks, record separators."""

_TOKEN: Final = re.compile(r'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"|["{}\[\]\n]')
"""Pattern of a whole text or one mark. Possessive, so that nothing is tried twice: each letter of an endless
text would take memory otherwise."""
_BLANK: Final = re.compile(r"[ \t\r]*")
_BLOCK: Final = 1 << 18
_SHOWN: Final = 200
"""Letters kept of an element that is too long."""
_LOOK_BACK: Final = 256
_TOO_LONG: Final = f"is longer than {LONGEST_LINE:,} letters"


class Value(NamedTuple):
    """Element of a file."""

    number: int
    """Line on which the element begins, from 1."""
    text: str
    fault: str
    """Reason to refuse the element; empty if its brackets match."""


@dataclass(slots=True)
class _Element:
    """Element that has begun and not ended yet."""

    number: int
    start: int
    """Place in the buffer at which the element begins."""
    indent: int | None
    """Blanks before the element on its line; None where something else stands before it."""
    stack: list[str] = field(default_factory=list)
    head: str = ""
    """First letters of the element, if it is too long to be held."""
    deeper: bool = False
    """True if a line of the element is indented more than its first line."""
    flat: bool = False
    """True if a line of the element is indented no more than its first line."""
    broken: str = ""


class JsonValues:
    """Elements of a file. The iteration may be repeated.

    Args:
        path: File.
        encoding: Encoding of the file.
        wrapper: Names that lead from an object at the top to the list of elements; empty if there is none.

    Raises:
        FileError: While reading, if an element is longer than an event may be and never ends. Nobody could
            say what such an element swallows.
    """

    def __init__(self, path: Readable, encoding: Encoding, wrapper: tuple[str, ...] = ()) -> None:
        self._path, self._encoding, self._wrapper = path, encoding, wrapper

    def __iter__(self) -> Iterator[Value]:
        """Yield every element in its order.

        Text between elements that is no element is yielded with a fault.
        """
        cutter = _Cutter(self._wrapper)
        for block in blocks_of(self._path, self._encoding):
            yield from cutter.feed(block)
        yield from cutter.end(str(self._path))


def blocks_of(path: Readable, encoding: Encoding) -> Iterator[str]:
    """Yield the letters of a file in blocks. A byte that is not in its encoding becomes a lone surrogate."""
    name = "utf-8-sig" if codecs.lookup(encoding.name).name == "utf-8" else encoding.name
    errors = "replace" if encoding.wide else "surrogateescape"
    decode = codecs.getincrementaldecoder(name)(errors).decode
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield decode(block)
        yield decode(b"", final=True)


class _Cutter:
    """State of the cutting between two blocks."""

    def __init__(self, wrapper: tuple[str, ...]) -> None:
        self._wrapper = wrapper
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._line_start = 0
        """Place in the buffer at which the line begins; below 0 if the line began before the buffer."""
        self._outer: list[str] = []
        """Open arrays and wrapping objects, one bracket each."""
        self._keys: list[str] = []
        """Names that led into the wrapping objects."""
        self._key = ""
        self._skipped = 0
        """Number of open brackets in a part of a wrapping object that holds no elements."""
        self._element: _Element | None = None
        self._pending: Value | None = None
        """Element that is closed, held until it is clear that nothing behind belongs to it."""
        self._stray = ""
        self._stray_line = 0
        self._ended = False
        self._in_text = False
        """True if the block begins within a text that is too long to be held."""

    def feed(self, block: str) -> Iterator[Value]:
        """Yield the elements that end in one more block."""
        self._forget()
        self._buffer += block
        yield from self._scan()

    def end(self, shown: str) -> Iterator[Value]:
        """Yield the elements that are left at the end of the file."""
        self._ended = True
        yield from self._scan()
        element = self._element
        if element is not None:
            if element.head:
                raise FileError(
                    f"{shown} cannot be read behind line {element.number:,}: an element begins there that "
                    "does not end. Nothing was sent. Is the file whole?"
                )
            text = self._buffer[element.start :].rstrip()
            yield Value(element.number, text, f"{CUT_OFF}it is closed")
            return
        if not self._inside_wrapper:
            self._note_stray(self._buffer[self._at :])
        yield from self._settled()
        if self._outer:
            yield Value(self._line, "", f"{CUT_OFF}its list is closed, so something may be missing")

    @property
    def _inside_wrapper(self) -> bool:
        return bool(self._skipped or (self._outer and self._outer[-1] == "{"))

    def _forget(self) -> None:
        """Drop text already read, so that the buffer holds one element and one block."""
        element = self._element
        keep = self._at if element is None or element.head else element.start
        if element is not None and not element.head and self._at - element.start > LONGEST_LINE:
            element.head = self._buffer[element.start : element.start + _SHOWN]
            element.broken = _TOO_LONG
            keep = self._at
        if element is not None:
            element.start -= keep
        self._buffer = self._buffer[keep:]
        self._line_start -= keep
        self._at -= keep

    def _scan(self) -> Iterator[Value]:
        if self._in_text and not self._leave_text():
            return
        match = _TOKEN.search
        while found := match(self._buffer, self._at):
            mark, at = found[0], found.start()
            if mark == '"' and not self._is_open_string(at):
                return
            if mark == "\n" and not self._is_line_whole(at):
                return
            if self._element is not None:
                yield from self._inside(self._element, mark, at)
            elif self._skipped:
                self._skip(mark)
            else:
                yield from self._between(mark, at)
            if mark == "\n":
                self._line += 1
                self._line_start = at + 1
            self._at = max(self._at, found.end())
        waiting = len(self._buffer) - self._at
        if self._element is not None or self._inside_wrapper:
            self._at = len(self._buffer)
        elif waiting > LONGEST_LINE:
            self._note_stray(self._buffer[self._at :])
            self._at = len(self._buffer)

    def _is_open_string(self, at: int) -> bool:
        """Return True if a text is not closed on its line; False if the rest of the line is still unread."""
        end = self._buffer.find("\n", at)
        if end < 0 and not self._ended and len(self._buffer) - at <= LONGEST_LINE:
            return False
        self._in_text = end < 0 and not self._ended
        if self._element is not None and self._in_text:
            self._element.broken = self._element.broken or _TOO_LONG
        elif self._element is not None:
            self._element.broken = self._element.broken or "is no JSON object: a text in it is not closed"
        self._at = len(self._buffer) if end < 0 else end
        return True

    def _leave_text(self) -> bool:
        """Skip to the end of a text that is too long to be held; return False if that is still unread."""
        while (at := self._buffer.find('"', self._at)) >= 0:
            newline = self._buffer.find("\n", self._at, at)
            if newline >= 0:
                self._at, self._in_text = newline, False
                return True
            before = self._buffer[max(at - _LOOK_BACK, self._at) : at]
            self._at = at + 1
            if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
                self._in_text = False
                return True
        self._at = max(self._at, len(self._buffer.rstrip("\\")))
        return False

    def _is_line_whole(self, at: int) -> bool:
        """Return True if the beginning of the next line has been read."""
        found = _BLANK.match(self._buffer, at + 1)
        return self._ended or (found is not None and found.end() < len(self._buffer))

    def _inside(self, element: _Element, mark: str, at: int) -> Iterator[Value]:
        if mark in "{[":
            element.stack.append(mark)
        elif mark in "}]":
            opened = element.stack.pop()
            if (opened == "{") != (mark == "}"):
                element.broken = element.broken or "is no JSON object: its brackets do not match"
            if not element.stack:
                text = element.head or self._buffer[element.start : at + 1]
                if len(text) > LONGEST_LINE:
                    text, element.broken = text[:_SHOWN], _TOO_LONG
                self._element = None
                self._pending = Value(element.number, text, element.broken)
        elif mark == "\n" and self._begins_another(element, at):
            text = (element.head or self._buffer[element.start : at]).rstrip()
            self._element = None
            self._at = at + 1
            fault = f"is no JSON object: it is not closed, and another begins in line {self._line + 1}"
            yield Value(element.number, text, fault)

    def _begins_another(self, element: _Element, at: int) -> bool:
        """Return True if the next line begins another element, so that the present one was never closed."""
        found = _BLANK.match(self._buffer, at + 1)
        following = "" if found is None else self._buffer[found.end() : found.end() + 1]
        if found is None or following in ("", "\n", "}", "]"):
            return False
        indent = found.end() - at - 1
        if element.indent is None:
            return False
        if following != "{" or indent > element.indent:
            element.deeper |= indent > element.indent
            element.flat |= indent <= element.indent
            return False
        before = self._buffer[max(at - _LOOK_BACK, element.start, 0) : at].rstrip()[-1:]
        if before not in (":" if element.stack[-1] == "{" else "[,"):
            return True
        return indent == element.indent and element.deeper and not element.flat

    def _skip(self, mark: str) -> None:
        if mark in "{[":
            self._skipped += 1
        elif mark in "}]":
            self._skipped -= 1

    def _between(self, mark: str, at: int) -> Iterator[Value]:
        """Take one mark outside of elements."""
        if self._inside_wrapper:
            self._inside_object(mark)
            return
        self._note_stray(self._buffer[self._at : at])
        if mark == "{" and len(self._keys) < len(self._wrapper) and "{" not in self._outer:
            yield from self._settled()
            self._outer.append("{")
        elif mark == "{":
            yield from self._settled()
            before = self._buffer[max(self._line_start, 0) : at]
            indent = len(before) if self._line_start >= 0 and not before.strip() else None
            self._element = _Element(self._line, at, indent, ["{"])
        elif mark == "[":
            yield from self._settled()
            self._outer.append("[")
        elif mark == "]" and self._outer:
            yield from self._settled()
            self._outer.pop()
            if self._keys and self._outer and self._outer[-1] == "{":
                self._keys.pop()
        elif mark != "\n":
            self._note_stray(mark if len(mark) > 1 or mark != '"' else self._buffer[at : self._at])

    def _inside_object(self, mark: str) -> None:
        """Take one mark of a wrapping object, whose names lead to the list of elements."""
        if mark == "}":
            self._outer.pop()
            if self._keys:
                self._keys.pop()
        elif mark in "{[":
            path = (*self._keys, self._key)
            last = len(path) == len(self._wrapper)
            if path == self._wrapper[: len(path)] and (mark == "[") == last:
                self._keys.append(self._key)
                self._outer.append(mark)
            else:
                self._skipped = 1
        elif mark != "\n":
            self._key = mark[1:-1]

    def _note_stray(self, text: str) -> None:
        stripped = text.strip(BETWEEN)
        if stripped:
            self._stray_line = self._stray_line or self._line
            self._stray = (self._stray + stripped)[:_SHOWN]

    def _settled(self) -> Iterator[Value]:
        """Yield the element before, and the text behind it that is no element."""
        pending, stray = self._pending, self._stray
        self._pending, self._stray = None, ""
        line, self._stray_line = self._stray_line, 0
        if pending is not None:
            if "}" in stray and not pending.fault:
                pending = pending._replace(
                    fault="is no JSON object: a brace behind it closes what none has opened"
                )
            yield pending
        if stray:
            yield Value(line, stray, "is no JSON object, and stands where one should be")
