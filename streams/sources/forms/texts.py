"""Lines of a text file, and its encoding, which is found out from all of its bytes in bounded memory."""

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
"""Bytes of a line: the size of a whole event. A longer line is refused, and only its beginning is kept as
text."""

WESTERN: Final = "windows-1252"
"""Encoding assumed for a file that is no UTF-8 and has no mark: the one that Western spreadsheets write. The
assumption is shown."""

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
    """File that can be read from its beginning as often as needed: a `Path`, or a `Container`."""

    @property
    def name(self) -> str:
        """Last part of the file's name."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """Open the content, unpacked."""


class TextLine(NamedTuple):
    """Line of a file, without its line end."""

    number: int
    """Number of the line, from 1."""
    text: str
    r"""Text of the line; a byte that cannot be decoded stands as `\xE9` in it."""
    fault: str
    """Reason why the line cannot be taken; empty if it can."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Encoding of a file's text."""

    name: str
    basis: str
    """Reason for the choice, for a person."""
    samples: tuple[str, ...] = ()
    """Texts that would look wrong if the guess were wrong; empty where nothing was guessed."""
    fallback: str | None = None
    """Encoding of lines that are not in `name`; None refuses them."""
    digest: str = ""
    """SHA-256 of the content, unpacked, in hex."""

    @property
    def wide(self) -> bool:
        """True if a letter takes two or four bytes, so that lines cannot be cut in bytes."""
        return codecs.lookup(self.name).name.startswith(("utf-16", "utf-32"))


def examine(path: Readable, *, told: str | None = None, fallback: str | None = None) -> Encoding:
    """Find a file's encoding from all of its bytes, unless a person gave it.

    Args:
        path: File.
        told: Encoding that a person gave, which Python supports.
        fallback: Encoding of lines that are not in the file's encoding; None refuses them.
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
    """Evidence of a file's letters that are not ASCII."""

    plain: bool = False
    """True if some of these letters are UTF-8."""
    foreign: int = 0
    """Lines that are no UTF-8."""
    samples: list[str] = field(default_factory=list)

    def count(self, block: bytes) -> None:
        """Examine a block of whole lines."""
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
    """Yield the lines of a file, one by one, without an empty last one."""
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
    """Yield lines that end in something else than a line feed, as on old Macintoshes."""
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
    """Return the end of a file's lines: a carriage return if the first line and most others end in it."""
    first = _FIRST_END.search(start)
    if first is None or b"\n" in first[0]:
        return b"\n"
    alone = start.count(b"\r") - start.count(b"\r\n")
    return b"\r" if alone > start.count(b"\n") else b"\n"


def _wide(start: bytes) -> str | None:
    """Return the wide encoding that a file's first bytes show: by a mark, or by every second byte being 0."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return None if name == "utf-8" else name
    if len(start) >= 8 and start.count(0) * 5 > len(start) * 2:
        return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"
    return None


def _ordered(told: str, start: bytes) -> str:
    """Return the encoding that a person gave, with its byte order where neither name nor mark gives one."""
    name = codecs.lookup(told).name
    if name not in ("utf-16", "utf-32") or any(start.startswith(mark) for mark, its in _MARKS if its == name):
        return told
    return f"{name}-{'be' if _wide(start) == 'utf-16-be' else 'le'}"


def _around(line: bytes, at: int | None = None) -> str:
    """Return the text around the first letter that is no ASCII, decoded in the Western encoding."""
    if at is None:
        at = next(index for index, byte in enumerate(line) if byte > 127)
    return line[max(at - 12, 0) : at + 13].decode(WESTERN, "backslashreplace")
