"""How far the sending of a source has come, in a small file: written after acknowledgement, never before."""

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
    """A position that does not fit what is to be sent, or cannot be kept; the message says what to do."""


class Destination(msgspec.Struct, frozen=True):
    """What is sent where: a position holds for exactly this."""

    source: str
    """SHA-256 of the file, or the parameters of what is generated."""
    reading: str
    """A hash of every option and setting that shapes what is sent."""
    broker: str
    topic: str
    partitions: int


class Standing(msgspec.Struct, frozen=True):
    """How far it has come."""

    destination: Destination
    sent: int = 0
    """Records acknowledged, ticks among them, from the first of the source on."""
    ends: tuple[int, ...] = ()
    """Where each partition ended when `sent` were acknowledged, or somewhat before: what lies behind may hold
    records that were sent and not noted."""
    finished: bool = False


class Position:
    """The position of one source, kept in a file.

    Args:
        path: The file; None keeps nothing, and every sending begins at the beginning.
        destination: What is to be sent where.
    """

    def __init__(self, path: Path | None, destination: Destination) -> None:
        self._path = path
        self.standing = Standing(destination)

    def load(self, *, restart: bool = False) -> Standing:
        """What the file says; the beginning where there is none, or where it is to be forgotten.

        Raises:
            PositionError: It is another source's or another topic's, or holds nothing that can be read.
        """
        if restart or self._path is None or not self._path.exists():
            return self.standing
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Standing)
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
        """Note that so many records are acknowledged; safe against a crash at any moment."""
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
    """Hold a file for as long as it is being sent, so that no second sender takes it up.

    Raises:
        PositionError: Another process is sending it.
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
