"""Checkpoint of a ledger: its memory written to a file as it lies there, and read back.

Arenas and columns are written without encoding. Restoring customers takes the time of a copy, and nothing is
decoded. Partition-level rows (clock, settings, thresholds, priors, dictionaries) are written as the changelog
holds them. Derived data is left out: histograms, due days and the sweep. `Intake.settle` rebuilds derived
data, as after any recovery.

A checkpoint contains no checksum. A reader must get the bytes from a store that vouches for them. `restore`
nevertheless refuses bytes that cannot be a state, above all a state of another memory layout.
"""

from __future__ import annotations

import sys
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from models.ledger.intake import Intake
from models.ledger.storage import own_rows
from models.memory.rows import ROW_VERSION
from models.state.columns import CELL, CUSTOMER, OPEN_LINE, PRODUCT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

FORMAT = 2
"""Version of the file's format, which grows with every change of its meaning. `LAYOUT` covers changes of
memory."""
_LENGTH_BYTES = 8
_MOST_HEADING_BYTES = 64 * 1024 * 1024


class CheckpointError(ValueError):
    """Bytes that are no checkpoint of a ledger, or a checkpoint of another memory layout."""


class Writable(Protocol):
    """Destination of a checkpoint: an open binary file, or an object that writes like one."""

    def write(self, data: Any, /) -> object:
        """Write a whole buffer."""


class Readable(Protocol):
    """Source of a checkpoint: an open binary file, or an object that reads like one."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill a buffer with as many bytes as there are; return their count."""


class _Heading(msgspec.Struct, frozen=True):
    """Heading of a checkpoint, which describes the columns that follow."""

    layout: str
    customers: int
    ids: int
    """Bytes of all customer ids together."""
    arenas: list[tuple[int, int]]
    """Per arena: records that its rooms span, and count of freed rooms. A room is a block for one run."""
    own: dict[bytes, bytes]
    """Partition-level rows by key."""
    later: int
    """Bytes of the sections of later releases, by the key of their row."""


def save(state: State, file: Writable) -> None:
    """Write a state between two steps. The state must not change until the call returns."""
    count = len(state.ids)
    ids, later = b"".join(state.ids), msgspec.msgpack.encode(state.later_sections)
    heading = _Heading(
        layout=LAYOUT,
        customers=count,
        ids=len(ids),
        arenas=[arena.extent for arena in state.arenas],
        own=own_rows(state),
        later=len(later),
    )
    encoded = msgspec.msgpack.encode(heading)
    file.write(len(encoded).to_bytes(_LENGTH_BYTES, "little"))
    file.write(encoded)
    file.write(later)
    file.write(ids)
    file.write(_bytes_of(np.fromiter(map(len, state.ids), np.uint16, count)))
    file.write(_bytes_of(state.customers[:count]))
    for arena in state.arenas:
        for column in (*arena.columns(count), arena.freed()):
            file.write(_bytes_of(column))


def restore(state: State, file: Readable) -> Intake:
    """Fill an empty state from a checkpoint.

    Args:
        state: Empty state. After an error it is unusable.
        file: Source of the checkpoint.

    Returns:
        Intake that accepts later rows and must be settled.

    Raises:
        CheckpointError: The file ends early, has another layout, or contradicts itself.
    """
    # Stage 1: ids, cut out of one string of bytes by (customers,) lengths, and the index by id.
    heading = _heading(file)
    count = heading.customers
    if len(heading.arenas) != len(state.arenas):
        raise CheckpointError("it holds other arenas")
    try:
        state.later_sections = msgspec.msgpack.decode(_exactly(file, heading.later), type=dict[bytes, bytes])
    except msgspec.MsgspecError as error:
        raise CheckpointError(f"the sections of a later release cannot be read: {error}") from error
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
    # Stage 2: the fixed columns, shape (customers,), read into their place.
    state.reserve(count)
    _fill(file, state.customers[:count])
    # Stage 3: per arena, its columns and (rooms, 2) freed rooms. The arena refuses any that lie outside it.
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
    if min(heading.customers, heading.ids, heading.later, *map(min, heading.arenas)) < 0:
        raise CheckpointError("the heading counts below nothing")
    return heading


def _exactly(file: Readable, size: int) -> bytes:
    taken = bytearray(size)
    _fill(file, np.frombuffer(taken, np.uint8))
    return bytes(taken)


def _fill(file: Readable, array: NDArray[Any]) -> None:
    """Read an array's bytes into its memory."""
    view = _bytes_of(array).data
    while view:
        read = file.readinto(view)
        if not read:
            raise CheckpointError(f"it ends {len(view)} bytes early")
        view = view[read:]


def _bytes_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    """View the memory of a contiguous array as bytes."""
    return array.reshape(-1).view(np.uint8)


def _layout() -> str:
    """Compute a digest of everything that gives the bytes in memory their meaning."""
    types = [repr(dtype.descr) for dtype in (CUSTOMER, CELL, PRODUCT, OPEN_LINE)]
    return blake2b(repr((FORMAT, ROW_VERSION, sys.byteorder, types)).encode(), digest_size=16).hexdigest()


LAYOUT = _layout()
"""Digest of the memory layout, which changes with the columns, so that a release never reads another layout's
memory."""
