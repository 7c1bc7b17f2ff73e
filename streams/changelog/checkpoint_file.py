"""The file of a checkpoint: a heading that says whose it is, the ledger's bytes, and a checksum of both.

A file is never half new: it is written to another name, made to last, and put in the old one's place in one
step. What is left of writers that were killed is removed by the next.
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

from streams.changelog.rows import Witness  # noqa: TC001 - msgspec reads the annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

MAGIC = b"CPULSE\r\n"
"""What a checkpoint begins with; a transfer that changes line ends shows at once."""
FORMAT = 1
"""Of the heading and of what is around the ledger's own bytes."""
UNFINISHED = ".part"
PIECE_BYTES = 8 * 1024 * 1024
"""Summed and written at a time: between two pieces a stop is heard."""


class Unusable(Exception):  # noqa: N818 - it is thrown away, and nothing is wrong any more
    """A file that is no checkpoint, or not the wanted one; the message says why."""


class Owner(msgspec.Struct, frozen=True):
    """Whose checkpoint it is: another's is of no use."""

    format: int
    application: str
    changelog: str
    """The topic, with its prefix."""
    partition: int
    partitions: int


class Heading(msgspec.Struct, frozen=True):
    """What a checkpoint says about itself."""

    owner: Owner
    base: int
    """Everything before this changelog offset is in it."""
    witness: Witness
    """The last row before that."""
    made_at: int
    """Wall time, ms since 1970 UTC; for people."""
    size: int
    """Bytes of the ledger."""
    checksum: str
    """SHA-256 of them. A CRC would not do: rows carry their own, and it takes one sound row for another."""


class Memory:
    """A binary file in memory that takes copies of buffers.

    Args:
        expected: bytes for which room is made, and touched, beforehand: most of the time that a copy takes
            is the first touch of its memory.
    """

    def __init__(self, expected: int = 0) -> None:
        self.size = 0
        self._rooms: list[NDArray[np.uint8]] = []
        self._left = 0
        if expected:
            self._grow(expected + expected // 16)
            self._rooms[0][::4096] = 0

    def write(self, data: Any, /) -> int:
        """Take a copy of all of a buffer."""
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
        """What was written, in pieces of `PIECE_BYTES` at most."""
        left = self.size
        for room in self._rooms:
            held = room[:left].data
            left -= len(held)
            for start in range(0, len(held), PIECE_BYTES):
                yield held[start : start + PIECE_BYTES]

    def checksum(self) -> str:
        """SHA-256 of it."""
        total = sha256()
        for piece in self.pieces():
            total.update(piece)
        return total.hexdigest()

    def _grow(self, size: int) -> None:
        self._rooms.append(np.empty(size, np.uint8))
        self._left = size


def write(path: Path, heading: Heading, content: Memory, *, stopped: Callable[[], bool]) -> None:
    """Write a checkpoint beside the old one and put it in its place.

    Args:
        path: its name; the folder is made if it is not there.
        heading: whose it is, and of what.
        content: the ledger's bytes.
        stopped: asked between pieces whether to give up.

    Raises:
        OSError: the disk is full, or the folder not ours.
        InterruptedError: it was stopped.
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
    """Look through a checkpoint, all of it; the file is then at the ledger's first byte.

    Raises:
        Unusable: it is damaged, cut off, of another format, or another's.
        OSError: it cannot be read.
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
    """What a checkpoint says about itself, whoever's it is.

    Raises:
        Unusable: it is no checkpoint, or one of another format.
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
    """Remove what writers of this checkpoint left when they were killed; those at work hold a lock."""
    for left in path.parent.glob(f"{path.name}.*{UNFINISHED}"):
        with contextlib.suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def _make_last(folder: Path) -> None:
    """Have the file system keep a change of names."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
