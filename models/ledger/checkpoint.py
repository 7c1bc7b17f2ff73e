"""A ledger's state as one run of bytes, and back: what is in memory, as it lies there.

The arenas and columns are written as they are, so that customers come back in the time that it takes to copy
them, and nothing is decoded. Its own rows (clock, settings, thresholds, priors, dictionaries) go as
the rows that the changelog holds of them. What is derived from these, histograms, due days and the sweep, is
left out: `Intake.settle` makes it anew, as after any recovery.

Who reads it back may only trust it as far as whoever kept it vouches for its bytes: there is no checksum in
here. What cannot be a state is refused nevertheless, a state of another layout of memory first of all.
"""

from __future__ import annotations

import sys
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from models.ledger.changelog_rows import Intake, own_rows
from models.memory.rows import ROW_VERSION
from models.state.columns import CELL, CUSTOMER, OPEN_LINE, PRODUCT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

FORMAT = 1
"""Counts up with every change of this file's meaning; what it describes of memory is in `LAYOUT`."""
_LENGTH_BYTES = 8
_MOST_HEADING_BYTES = 64 * 1024 * 1024


class CheckpointError(ValueError):
    """Bytes that are no checkpoint of a ledger, or one of another layout of memory."""


class Writable(Protocol):
    """Where a checkpoint goes: an open binary file, or something like it."""

    def write(self, data: Any, /) -> object:
        """Take all of a buffer."""


class Readable(Protocol):
    """Where a checkpoint comes from: an open binary file, or something like it."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill a buffer as far as there are bytes."""


class _Heading(msgspec.Struct, frozen=True):
    """What follows in a checkpoint."""

    layout: str
    customers: int
    ids: int
    """Bytes of all customer ids."""
    arenas: list[tuple[int, int]]
    """Of each arena: records that its rooms span, and freed rooms."""
    own: dict[bytes, bytes]
    """The partition's own rows."""


def save(state: State, file: Writable) -> None:
    """Write a state between two steps; it must not change until this returns."""
    count = len(state.ids)
    ids = b"".join(state.ids)
    heading = _Heading(
        layout=LAYOUT,
        customers=count,
        ids=len(ids),
        arenas=[arena.extent for arena in state.arenas],
        own=own_rows(state),
    )
    encoded = msgspec.msgpack.encode(heading)
    file.write(len(encoded).to_bytes(_LENGTH_BYTES, "little"))
    file.write(encoded)
    file.write(ids)
    file.write(_bytes_of(np.fromiter(map(len, state.ids), np.uint16, count)))
    file.write(_bytes_of(state.customers[:count]))
    for arena in state.arenas:
        for column in (*arena.columns(count), arena.freed()):
            file.write(_bytes_of(column))


def restore(state: State, file: Readable) -> Intake:
    """Fill an empty state; the intake takes later rows on top and has to be settled.

    A state that this raised on is of no use any more.

    Raises:
        CheckpointError: It ends too early, is of another layout, or does not fit together.
    """
    heading = _heading(file)
    count = heading.customers
    ids = _exactly(file, heading.ids)
    lengths = np.zeros(count, np.uint16)
    _fill(file, lengths)
    ends = np.cumsum(lengths, dtype=np.int64)
    if count and int(ends[-1]) != heading.ids:
        raise CheckpointError("the customer ids are of another length than their sum")
    starts = (ends - lengths).tolist()
    state.ids = [ids[start:end] for start, end in zip(starts, ends.tolist(), strict=True)]
    state.rows = {customer: row for row, customer in enumerate(state.ids)}
    if len(state.rows) != count:
        raise CheckpointError("a customer is in it twice")
    state.reserve(count)
    _fill(file, state.customers[:count])
    for arena, (end, rooms) in zip(state.arenas, heading.arenas, strict=True):
        for column in arena.resize(count, end):
            _fill(file, column)
        freed = np.zeros((rooms, 2), np.int64)
        _fill(file, freed)
        try:
            arena.check(count, freed)
        except ValueError as error:
            raise CheckpointError(str(error)) from error
    return Intake(state, dict(heading.own))


def _heading(file: Readable) -> _Heading:
    size = int.from_bytes(_exactly(file, _LENGTH_BYTES), "little")
    if size > _MOST_HEADING_BYTES:
        raise CheckpointError(f"a heading of {size} bytes is none")
    try:
        heading = msgspec.msgpack.decode(_exactly(file, size), type=_Heading)
    except msgspec.MsgspecError as error:
        raise CheckpointError(f"the heading cannot be read: {error}") from error
    if heading.layout != LAYOUT:
        raise CheckpointError("it was made by a release that lays memory out in another way")
    if heading.customers < 0 or heading.ids < 0 or min(map(min, heading.arenas)) < 0:
        raise CheckpointError("the heading counts below nothing")
    return heading


def _exactly(file: Readable, size: int) -> bytes:
    taken = bytearray(size)
    _fill(file, np.frombuffer(taken, np.uint8))
    return bytes(taken)


def _fill(file: Readable, array: NDArray[Any]) -> None:
    """Read an array's bytes into its place."""
    view = _bytes_of(array).data
    while view:
        read = file.readinto(view)
        if not read:
            raise CheckpointError(f"it ends {len(view)} bytes early")
        view = view[read:]


def _bytes_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The memory of a contiguous array, record by record."""
    return array.reshape(-1).view(np.uint8)


def _layout() -> str:
    """A digest of everything that the bytes in memory mean."""
    types = [repr(dtype.descr) for dtype in (CUSTOMER, CELL, PRODUCT, OPEN_LINE)]
    return blake2b(repr((FORMAT, ROW_VERSION, sys.byteorder, types)).encode(), digest_size=16).hexdigest()


LAYOUT = _layout()
"""Changes with the columns, so that a release never takes another's memory for its own."""
