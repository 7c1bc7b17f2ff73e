"""Compressed files and archives, read as their content. Their first bytes decide the form, never their name.

A file is read several times, and unpacked again each time. Unpacking costs processor time, but neither disk
space nor memory, however large the content is. Standard input can be read only once, so it is written to a
temporary file first.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import sys
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, cast

from streams.sources.forms.tables import FileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

STANDARD_INPUT: Final = Path("-")
"""Path that stands for standard input on a command line."""

_ONCE: Final = "standard input"
"""Name of standard input for a person."""
_START: Final = 4096
"""Bytes at the beginning of a file that decide its form."""
_BUFFER: Final = 1 << 17
"""Bytes unpacked at once."""

_OTHERS: Final = (
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of old (.xls): save the sheet as CSV (UTF-8)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x1f\x9d", "compressed by `compress`: unpack it first (`uncompress`)"),
    (b"\x04\x22\x4d\x18", "compressed by lz4: unpack it first (`lz4 -d`)"),
    (b"\xff\x06\x00\x00sNaPpY", "compressed by snappy: unpack it first"),
    (b"Obj\x01", "Avro: write it as Parquet or JSON lines first"),
    (b"ORC", "ORC: write it as Parquet first"),
    (b"ARROW1", "an Arrow file: write it as Parquet first"),
    (b"SQLite format 3", "a SQLite database: export the table of purchases as CSV"),
    (b"%PDF", "a PDF: export the purchases as CSV"),
)
"""First bytes of files that hold no readable rows, and the sentence about what to do instead."""
_TAR: Final = (257, b"ustar")
"""Offset and bytes that identify a tar archive."""


@dataclass(frozen=True, slots=True)
class Container:
    """File that can be opened as often as needed, and gives its content unpacked."""

    path: Path
    """File that holds the bytes."""
    shown: str
    """Name of the file for a person."""
    packing: str = ""
    """`gzip`, `bzip2`, `xz`, `zstd` or `zip`; empty where nothing is packed."""
    member: str = ""
    """Name of the one file in a zip archive."""

    @property
    def name(self) -> str:
        """Last part of the file's name."""
        return Path(self.shown).name

    def __str__(self) -> str:
        return self.shown

    def open(self, mode: Literal["rb"] = "rb", /) -> BinaryIO:
        """Open the content from its beginning. Reading raises `FileError` where the content is broken."""
        if not self.packing:
            return self.path.open(mode)
        try:
            return io.BufferedReader(_Unpacked(self), _BUFFER)
        except _FAULTS as error:
            raise self.broken(error) from error

    def unpacked(self) -> tuple[BinaryIO, Callable[[], None]]:
        """Open the content with its unpacking library.

        Returns:
            Content, and the function that closes it.
        """
        if self.packing == "zip":
            archive = zipfile.ZipFile(self.path)
            content = archive.open(self.member)

            def close() -> None:
                content.close()
                archive.close()

            return cast("BinaryIO", content), close
        if self.packing == "zstd":
            import pyarrow as pa  # noqa: PLC0415 - takes 0.1 s, which other files need not wait for

            stream = pa.input_stream(str(self.path), compression="zstd", buffer_size=_BUFFER)
            return stream, stream.close
        opened = cast("BinaryIO", _OPENERS[self.packing](self.path, "rb"))
        return opened, opened.close

    def broken(self, error: Exception) -> FileError:
        """Make the error for content that ends too early or is damaged."""
        said = str(error) or type(error).__name__
        return FileError(
            f"{self.shown} cannot be unpacked ({self.packing}): {said}. It is damaged or not whole: fetch it "
            "again. Nothing was sent."
        )

    @property
    def sentence(self) -> str:
        """Sentence for a person about how the content is obtained; empty for a plain file."""
        kept = f"{_ONCE.capitalize()} is kept in a temporary file while it is read, several times."
        first = kept if self.shown == _ONCE else ""
        if not self.packing:
            return first
        what = f"the one file in it, {self.member}, is" if self.member else "its content is"
        return (
            f"{first} Packed by {self.packing}, as its first bytes say; {what} unpacked in each pass.".strip()
        )


_OPENERS: Final[dict[str, Callable[[Path, Literal["rb"]], object]]] = {
    "gzip": gzip.open,
    "bzip2": bz2.open,
    "xz": lzma.open,
}
_MARKS: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x50\x2a\x4d\x18", "zstd"),  # a frame to be skipped; pzstd writes one first
)
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of a zip archive; the latter belong to an empty one."""
_FAULTS: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, ValueError)
"""Exceptions that the unpacking libraries raise for broken content."""


class _Unpacked(io.RawIOBase):
    """Content of a container. Any fault of the unpacking becomes one `FileError`."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._content, self._close = container.unpacked()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        try:
            data = self._content.read(len(view))
        except _FAULTS as error:
            raise self._container.broken(error) from error
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._close()
        super().close()


def container_of(source: Path | Container) -> Container:
    """Find from its first bytes how a file is packed.

    Args:
        source: File.

    Raises:
        FileError: The file cannot be opened, is empty, or holds no readable rows. The message says what to
            do.
    """
    path, shown = (source.path, source.shown) if isinstance(source, Container) else (source, str(source))
    if path.exists() and not (path.is_file() or path.is_char_device()):
        raise FileError(
            f"{shown} is no file that can be read again: save what comes from it in one first, or pipe it "
            "into `cartpulse produce -`"
        )
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError as error:
        raise FileError(f"{shown} cannot be read: {error.strerror or error}") from error
    if not start:
        raise FileError(f"{shown} is empty")
    _refuse_others(shown, start)
    if start.startswith(_ZIP):
        found = Container(path, shown, "zip", _member(path, shown))
    else:
        packing = next((name for mark, name in _MARKS if start.startswith(mark)), "")
        found = Container(path, shown, packing)
    if found.packing:
        _refuse_nested(found)
    return found


def _refuse_others(shown: str, start: bytes, where: str = "") -> None:
    for mark, what in _OTHERS:
        if start.startswith(mark):
            raise FileError(f"{shown} {where or 'is'} {what}")
    if start[_TAR[0] :].startswith(_TAR[1]):
        raise FileError(
            f"{shown} {where or 'is'} a tar archive: unpack it first (`tar -xf {Path(shown).name}`)"
        )


def _refuse_nested(found: Container) -> None:
    """Refuse content that is packed again, or that cannot be read from front to back."""
    with found.open() as file:
        start = file.read(_START)
    if not start:
        raise FileError(f"{found.shown} holds nothing but an empty file")
    _refuse_others(found.shown, start, "holds")
    if start.startswith(b"PAR1"):
        raise FileError(
            f"{found.shown} holds Parquet, which is compressed by itself: unpack it ({found.packing}) first"
        )
    if start.startswith((*_ZIP, *(mark for mark, _ in _MARKS))):
        raise FileError(f"{found.shown} is packed twice: unpack it ({found.packing}) once first")


def _member(path: Path, shown: str) -> str:
    """Return the name of the one file in a zip archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except _FAULTS as error:
        raise FileError(
            f"{shown} is a spreadsheet or an archive that is not whole ({error}): save the sheet as CSV "
            "(UTF-8), or fetch the archive again"
        ) from error
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise FileError(f"{shown} is a spreadsheet: save the sheet of purchases as CSV (UTF-8)")
    entries = [
        entry
        for entry in entries
        if not entry.filename.startswith("__MACOSX/") and not Path(entry.filename).name.startswith(".")
    ]
    if not entries:
        raise FileError(f"{shown} is a zip archive that holds no file")
    if len(entries) != 1:
        listed = ", ".join(entry.filename for entry in entries[:3]) + (", ..." if len(entries) > 3 else "")
        raise FileError(
            f"{shown} holds {len(entries)} files ({listed}): unpack it, and send the one with purchases"
        )
    if entries[0].flag_bits & 1:
        raise FileError(f"{shown} is locked by a password: unpack it first")
    return entries[0].filename


@contextmanager
def spooled(stream: BinaryIO | None = None) -> Iterator[Container]:
    """Write standard input to a temporary file, because the content is read several times.

    Delete it at the end.

    Args:
        stream: Another stream to read instead, for tests.

    Raises:
        FileError: The temporary file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="cartpulse-") as folder:
        path = Path(folder) / "standard-input"
        try:
            with path.open("wb") as file:
                shutil.copyfileobj(stream or sys.stdin.buffer, file, 1 << 20)
        except OSError as error:
            raise FileError(
                f"standard input cannot be kept in a temporary file: {error.strerror or error}. It takes as "
                "much room as its content; name a folder with more room in TMPDIR."
            ) from error
        yield Container(path, _ONCE)
