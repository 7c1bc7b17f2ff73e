"""Position of a sending in its source, stored in a small file after acknowledgement, never before."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import structs

from streams.errors import CartpulseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SUFFIX: Final = ".cartpulse-position"


class PositionError(CartpulseError):
    """The position does not fit the source and topic, or cannot be stored. The message says what to do."""


class Destination(msgspec.Struct, frozen=True):
    """Source and topic of a sending. A position holds for exactly this pair."""

    source: str
    """SHA-256 of the file, or the parameters of generated purchases."""
    reading: str
    """Hash of every option and setting that shapes the records."""
    broker: str
    topic: str
    partitions: int


class StoredPosition(msgspec.Struct, frozen=True):
    """Progress of a sending."""

    destination: Destination
    sent: int = 0
    """Records acknowledged, ticks among them, from the source's first record on."""
    ends: tuple[int, ...] = ()
    """End of each partition when `sent` records were acknowledged, or an earlier one. Records behind these
    ends may have been sent without being counted in `sent`."""
    finished: bool = False


class Position:
    """Position of one source, stored in a file.

    Args:
        path: File of the position; None stores nothing, and every sending begins at the beginning.
        destination: Source and topic of the sending.
    """

    def __init__(self, path: Path | None, destination: Destination) -> None:
        self._path = path
        self.standing = StoredPosition(destination)

    def load(self, *, restart: bool = False) -> StoredPosition:
        """Read the stored position.

        Args:
            restart: Ignore the file, and begin at the beginning.

        Returns:
            Stored position; the beginning where there is no file.

        Raises:
            PositionError: The file belongs to another source or topic, or cannot be read.
        """
        if restart or self._path is None or not self._path.exists():
            return self.standing
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=StoredPosition)
        except (msgspec.MsgspecError, OSError) as error:
            raise PositionError(
                f"The position in {self._path} cannot be read ({error}): --restart sends from the beginning, "
                "which counts nothing twice."
            ) from error
        wanted = self.standing.destination
        differing = [
            name
            for name in Destination.__struct_fields__
            if getattr(kept.destination, name) != getattr(wanted, name)
        ]
        if differing:
            raise PositionError(
                f"The position in {self._path} was kept for something else "
                f"({_said(kept.destination, differing)}): --restart sends from the beginning, "
                "--state-dir keeps a position elsewhere."
            )
        self.standing = kept
        return kept

    def advance(self, sent: int, ends: Sequence[int], *, finished: bool = False) -> None:
        """Store that records were acknowledged. The file stays whole if the process crashes at any moment.

        Args:
            sent: Records acknowledged so far.
            ends: End of each partition.
            finished: True once the source is sent to its end.
        """
        self.standing = structs.replace(self.standing, sent=sent, ends=tuple(ends), finished=finished)
        if self._path is None:
            return
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            with beside.open("wb") as file:
                file.write(msgspec.json.encode(self.standing) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise PositionError(
                f"The position cannot be kept in {self._path} ({error.strerror}): name a folder with "
                "--state-dir."
            ) from error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Lock a file while it is being sent, so that no second sender sends it.

    Raises:
        PositionError: Another process is sending the file.
    """
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PositionError(f"Another process is sending {path}: wait for it, or end it.") from error
        yield


def _said(kept: Destination, differing: list[str]) -> str:
    words = {
        "source": "the file has changed since",
        "reading": "options or settings have changed since",
        "broker": f"broker {kept.broker}",
        "topic": f"topic {kept.topic}",
        "partitions": f"{kept.partitions} partitions",
    }
    return ", ".join(words[name] for name in differing)
