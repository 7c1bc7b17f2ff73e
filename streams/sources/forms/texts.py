"""The lines of a text file, and its encoding, found out from all of its bytes in bounded memory."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE: Final = 1 << 20
"""Bytes of a line: the size of a whole event. A longer one is refused, its beginning kept as its text."""

WESTERN: Final = "windows-1252"
"""What a file is taken for that is no UTF-8 and has no mark: what spreadsheets of the West write. It is
shown."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BLOCK: Final = 1 << 20
_MOST_SAMPLES: Final = 3
_FIRST_END: Final = re.compile(rb"\r*\n|\r+")


class Readable(Protocol):
    """A file that can be read from its beginning as often as wanted: a `Path`, or a `Container`."""

    @property
    def name(self) -> str:
        """The last part of its name."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """Open its content, unpacked."""


class TextLine(NamedTuple):
    """One line of a file, its end cut off."""

    number: int
    """From 1."""
    text: str
    """What cannot be decoded stands as `\\xE9` in it."""
    fault: str
    """Why the line cannot be taken; empty if it can."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the bytes of a file are its letters."""

    name: str
    basis: str
    """Why it is thought so, for a person."""
    samples: tuple[str, ...] = ()
    """Texts that would look wrong if the guess were; empty where nothing was guessed."""
    fallback: str | None = None
    """In which lines are read that are not in `name`; None refuses them."""
    digest: str = ""
    """SHA-256 of the content, unpacked, in hex."""

    @property
    def wide(self) -> bool:
        """Whether a letter takes two or four bytes, so that lines cannot be cut in bytes."""
        return codecs.lookup(self.name).name.startswith(("utf-16", "utf-32"))


def examine(path: Readable, *, told: str | None = None, fallback: str | None = None) -> Encoding:
    """Find a file's encoding from all of its bytes, unless it is told.

    Args:
        path: The file.
        told: An encoding that Python knows.
        fallback: Another, for lines that are not in it.
    """
    digest = sha256()
    letters = _Letters()
    with path.open("rb") as file:
        start = file.read(4096)
    wide = _ordered(told, start) if told else _wide(start)
    with path.open("rb") as file:
        while block := file.read(_BLOCK) + file.readline(LONGEST_LINE):
            digest.update(block)
            if wide is None:
                letters.count(block)
    seal = digest.hexdigest()
    if wide is not None:
        return Encoding(wide, "as told" if told else "by its first bytes", (), fallback, seal)
    if not letters.foreign:
        return Encoding("utf-8", "all lines are", (), fallback, seal)
    samples = tuple(letters.samples)
    if letters.plain:
        return Encoding("utf-8", f"all lines but {letters.foreign:,}", samples, fallback, seal)
    basis = f"{letters.foreign:,} lines are no UTF-8, and none with other letters than ASCII is"
    return Encoding(WESTERN, basis, samples, fallback, seal)


@dataclass(slots=True)
class _Letters:
    """What the letters of a file say that are no ASCII."""

    plain: bool = False
    """Whether some are UTF-8."""
    foreign: int = 0
    """Lines that are no UTF-8."""
    samples: list[str] = field(default_factory=list)

    def count(self, block: bytes) -> None:
        """Look at whole lines."""
        if block.isascii():
            return
        if _is_utf_8(block):
            self.plain = True
            return
        for line in block.splitlines():
            if line.isascii():
                continue
            if _is_utf_8(line):
                self.plain = True
                continue
            self.foreign += 1
            if len(self.samples) < _MOST_SAMPLES:
                self.samples.append(_around(line))


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def lines_of(path: Readable, encoding: Encoding) -> Iterator[TextLine]:
    """The lines of a file, one by one; an empty last one is none."""
    if encoding.wide:
        yield from _wide_lines(path, encoding)
        return
    with path.open("rb") as file:
        start = file.read(_BLOCK)
    with path.open("rb") as file:
        if start.startswith(codecs.BOM_UTF8):
            file.read(len(codecs.BOM_UTF8))
        ending = _ending(start)
        lines = _byte_lines(file) if ending == b"\n" else _cut(file, ending)
        for number, line in enumerate(lines, 1):
            if len(line) > LONGEST_LINE:
                text = line[:200].decode(encoding.name, "backslashreplace")
                yield TextLine(number, text, f"the line is longer than {LONGEST_LINE:,} bytes")
                continue
            yield _decoded(number, line, encoding)


def _decoded(number: int, line: bytes, encoding: Encoding) -> TextLine:
    try:
        return TextLine(number, line.decode(encoding.name), "")
    except UnicodeDecodeError as error:
        if encoding.fallback is not None:
            try:
                return TextLine(number, line.decode(encoding.fallback), "")
            except UnicodeDecodeError:
                pass
        reason = f"byte {error.start + 1} is not in {encoding.name}"
        if encoding.name != WESTERN:
            reason += (
                f"; read as {WESTERN} it would be {_around(line, error.start)!r}: "
                f"--fallback-encoding {WESTERN} takes such lines"
            )
        return TextLine(number, line.decode(encoding.name, "backslashreplace"), reason)


def _byte_lines(file: BinaryIO) -> Iterator[bytes]:
    readline = file.readline
    while line := readline(LONGEST_LINE + 2):
        whole = line.endswith(b"\n")
        if not whole and len(line) > LONGEST_LINE:
            while (rest := readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
        yield line.rstrip(b"\r\n") if whole else line


def _cut(file: BinaryIO, ending: bytes) -> Iterator[bytes]:
    """Lines that end in something else than a line feed, as those of old Macintoshes."""
    rest, skipping = b"", False
    while block := file.read(_BLOCK):
        *whole, rest = (rest + block).split(ending)
        for line in whole:
            if not skipping:
                yield line
            skipping = False
        if len(rest) > LONGEST_LINE:
            if not skipping:
                yield rest
            rest, skipping = b"", True
    if rest and not skipping:
        yield rest


def _wide_lines(path: Readable, encoding: Encoding) -> Iterator[TextLine]:
    with io.TextIOWrapper(path.open("rb"), encoding.name, errors="replace", newline="") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            whole = line.endswith(("\n", "\r"))
            fault = f"something in it is not in {encoding.name}" if "\ufffd" in line else ""
            if not whole and len(line) >= LONGEST_LINE:
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(("\n", "\r")):
                    pass
                line, fault = line[:200], f"the line is longer than {LONGEST_LINE:,} letters"
            yield TextLine(number, line.rstrip("\r\n"), fault)


def _ending(start: bytes) -> bytes:
    """The end of a file's lines: a carriage return where the first line has none but that, and most do."""
    first = _FIRST_END.search(start)
    if first is None or b"\n" in first[0]:
        return b"\n"
    alone = start.count(b"\r") - start.count(b"\r\n")
    return b"\r" if alone > start.count(b"\n") else b"\n"


def _wide(start: bytes) -> str | None:
    """The encoding that a file's first bytes tell: by a mark, or by every second byte being 0."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return None if name == "utf-8" else name
    if len(start) >= 8 and start.count(0) * 5 > len(start) * 2:
        return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"
    return None


def _ordered(told: str, start: bytes) -> str:
    """An encoding that was told, with the order of its bytes where neither its name nor a mark says it."""
    name = codecs.lookup(told).name
    if name not in ("utf-16", "utf-32") or any(start.startswith(mark) for mark, its in _MARKS if its == name):
        return told
    return f"{name}-{'be' if _wide(start) == 'utf-16-be' else 'le'}"


def _around(line: bytes, at: int | None = None) -> str:
    """What stands about the first letter that is no ASCII, in the encoding of the West."""
    if at is None:
        at = next(index for index, byte in enumerate(line) if byte > 127)
    return line[max(at - 12, 0) : at + 13].decode(WESTERN, "backslashreplace")
