"""Checkpoint file: a heading that identifies its owner, the ledger's bytes, and a checksum of each.

A file is never half new. A writer writes to another name, syncs the file to disk, and renames it over the old
one in one step. Unfinished files of killed writers are removed by the next writer.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import numpy as np

from streams.changelog.framing import Witness  # noqa: TC001 - msgspec reads the annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

MAGIC = b"CPULSE\r\n"
"""First bytes of a checkpoint file. The `\r\n` reveals a transfer that converts line ends."""
FORMAT = 1
"""Version of the heading and of the framing around the ledger's own bytes."""
UNFINISHED = ".part"
PIECE_BYTES = 8 * 1024 * 1024
"""Bytes that are hashed and written at a time. A stop request is checked between two pieces."""


class Unusable(Exception):  # noqa: N818 - the file is thrown away, and nothing is wrong any more
    """File that is no checkpoint, or not the wanted one; the message says why."""


class Owner(msgspec.Struct, frozen=True):
    """Identity of a checkpoint's owner. A worker rejects the checkpoint of another owner."""

    format: int
    application: str
    changelog: str
    """Changelog topic, with its prefix."""
    partition: int
    partitions: int


class Heading(msgspec.Struct, frozen=True):
    """Description of a checkpoint, stored at its front."""

    owner: Owner
    base: int
    """Changelog offset before which every row is in the ledger."""
    witness: Witness
    """Last row before `base`."""
    made_at: int
    """Wall time of writing, ms since 1970 UTC; for human readers only."""
    size: int
    """Bytes of the ledger."""
    checksum: str
    """SHA-256 of the ledger's bytes. A CRC would not do: rows end with their own CRC, and a CRC over such
    rows does not tell one sound row from another."""


class Memory:
    """Binary file in memory that stores copies of buffers.

    Args:
        expected: Bytes to allocate and touch beforehand: most of the time of a copy is the first touch of its
            memory.
    """

    def __init__(self, expected: int = 0) -> None:
        self.size = 0
        self._rooms: list[NDArray[np.uint8]] = []
        self._left = 0
        if expected:
            self._grow(expected + expected // 16)
            self._rooms[0][::4096] = 0

    def write(self, data: Any, /) -> int:
        """Append a copy of a whole buffer."""
        source = np.frombuffer(data, np.uint8)
        done = 0
        while done < len(source):
            if not self._left:
                self._grow(max(PIECE_BYTES, len(source) - done))
            room = self._rooms[-1]
            taken = min(self._left, len(source) - done)
            start = len(room) - self._left
            room[start : start + taken] = source[done : done + taken]
            self._left -= taken
            done += taken
        self.size += done
        return done

    def pieces(self) -> Iterable[memoryview]:
        """Yield the written bytes in pieces of `PIECE_BYTES` at most."""
        left = self.size
        for room in self._rooms:
            held = room[:left].data
            left -= len(held)
            for start in range(0, len(held), PIECE_BYTES):
                yield held[start : start + PIECE_BYTES]

    def checksum(self) -> str:
        """Return the SHA-256 of the written bytes, in hexadecimal."""
        total = sha256()
        for piece in self.pieces():
            total.update(piece)
        return total.hexdigest()

    def _grow(self, size: int) -> None:
        self._rooms.append(np.empty(size, np.uint8))
        self._left = size


def write(path: Path, heading: Heading, content: Memory, *, stopped: Callable[[], bool]) -> None:
    """Write a checkpoint beside the old one, and rename it over the old one.

    Args:
        path: Name of the checkpoint; its folder is made if missing.
        heading: Description of the checkpoint.
        content: Bytes of the ledger.
        stopped: Function that returns True to give up; called between pieces.

    Raises:
        OSError: The disk is full, or the folder cannot be written to.
        InterruptedError: `stopped` returned True.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(path)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=UNFINISHED, dir=path.parent)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            encoded = msgspec.json.encode(heading)
            file.write(MAGIC + len(encoded).to_bytes(4, "little") + sha256(encoded).digest() + encoded)
            file.writelines(_until(stopped, content.pieces()))
            file.flush()
            os.fsync(file.fileno())
            Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    _make_last(path.parent)


def opened(file: BinaryIO, owner: Owner) -> Heading:
    """Verify a whole checkpoint, and leave the file at the first byte of the ledger.

    Raises:
        Unusable: The checkpoint is damaged, cut off, of another format, or of another owner.
        OSError: The file cannot be read.
    """
    heading = read_heading(file)
    for name in owner.__struct_fields__:
        found, wanted = getattr(heading.owner, name), getattr(owner, name)
        if found != wanted:
            raise Unusable(f"its {name} is {found}, not {wanted}")
    start = file.tell()
    behind = os.fstat(file.fileno()).st_size - start
    if behind != heading.size:
        raise Unusable(f"it holds {behind} bytes, not {heading.size}")
    buffer, checksum = memoryview(bytearray(PIECE_BYTES)), sha256()
    while taken := file.readinto(buffer):  # type: ignore[attr-defined] # every file has it
        checksum.update(buffer[:taken])
    if checksum.hexdigest() != heading.checksum:
        raise Unusable("its checksum does not fit: it is damaged")
    file.seek(start)
    return heading


def read_heading(file: BinaryIO) -> Heading:
    """Read the heading of a checkpoint, whoever the owner is.

    Raises:
        Unusable: The file is no checkpoint, or one of another format.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise Unusable("it does not begin as a checkpoint does")
    size, checksum = int.from_bytes(file.read(4), "little"), file.read(32)
    encoded = file.read(min(size, PIECE_BYTES))
    if len(encoded) != size or sha256(encoded).digest() != checksum:
        raise Unusable("its heading is damaged or cut off")
    try:
        return msgspec.json.decode(encoded, type=Heading)
    except msgspec.MsgspecError as reason:
        raise Unusable(f"its heading is of another format ({reason})") from reason


def _until(stopped: Callable[[], bool], pieces: Iterable[memoryview]) -> Iterable[memoryview]:
    for piece in pieces:
        if stopped():
            raise InterruptedError("the worker stopped meanwhile")
        yield piece


def _remove_unfinished(path: Path) -> None:
    """Remove unfinished files of this checkpoint that killed writers left.

    A living writer holds a lock on its file.
    """
    for left in path.parent.glob(f"{path.name}.*{UNFINISHED}"):
        with contextlib.suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def _make_last(folder: Path) -> None:
    """Sync the folder, so that a renaming survives a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
