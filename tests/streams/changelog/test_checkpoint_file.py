"""The file of a checkpoint: whole or not there, and nobody's but its owner's."""

from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams.changelog import checkpoint_file
from streams.changelog.checkpoint_file import Heading, Memory, Owner, Unusable, opened, write
from streams.changelog.framing import Witness

if TYPE_CHECKING:
    from pathlib import Path

OWNER = Owner(1, "shop", "shop-ledger-changelog", 3, 4)


def memory(content: bytes, expected: int = 0) -> Memory:
    filled = Memory(expected)
    filled.write(content)
    return filled


def write_file(path: Path, content: bytes = b"ledger" * 1_000) -> None:
    held = memory(content)
    heading = Heading(OWNER, 10, Witness(9, 7), 0, held.size, held.checksum())
    write(path, heading, held, stopped=lambda: False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_file(path: Path, owner: Owner = OWNER) -> tuple[Heading, bytes]:
    with path.open("rb") as file:
        return opened(file, owner), file.read()


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.checkpoint"
    write_file(path)
    heading, content = read_file(path)
    assert (heading.base, heading.witness) == (10, Witness(9, 7))
    assert content == b"ledger" * 1_000
    write_file(path, b"another")
    assert read_file(path)[1] == b"another"
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("expected", [0, 1, 5_000, 100_000])
def test_memory_takes_copies_of_any_size(expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_file, "PIECE_BYTES", 1_000)
    rng = random.Random(expected)
    parts = [rng.randbytes(rng.randrange(3_000)) for _ in range(20)]
    held = Memory(expected)
    for part in parts:
        array = np.frombuffer(bytearray(part), np.uint8)
        held.write(array)
        array[:] = 0
    assert b"".join(held.pieces()) == b"".join(parts)
    assert held.size == sum(map(len, parts))
    assert max(map(len, held.pieces())) <= 1_000


@pytest.mark.parametrize("cut", [0, 3, 12, 60, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.checkpoint"
    write_file(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(Unusable):
        read_file(path)


@pytest.mark.parametrize("seed", range(30))
def test_a_flipped_bit_is_seen_wherever_it_is(tmp_path: Path, seed: int) -> None:
    path, rng = tmp_path / "a.checkpoint", random.Random(seed)
    write_file(path, b"ledger" * 100)
    damaged = bytearray(path.read_bytes())
    at = rng.randrange(len(damaged)) if seed % 2 else rng.randrange(min(300, len(damaged)))
    damaged[at] ^= 1 << rng.randrange(8)
    path.write_bytes(damaged)
    with pytest.raises(Unusable):
        read_file(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"partition": 2}, "its partition is 3, not 2"),
        ({"partitions": 8}, "its partitions is 4, not 8"),
        ({"application": "other"}, "its application is shop, not other"),
        ({"changelog": "test-shop-ledger-changelog"}, "its changelog"),
        ({"format": 2}, "its format is 1, not 2"),
    ],
)
def test_another_s_checkpoint_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "a.checkpoint"
    write_file(path)
    owner = Owner(**{name: getattr(OWNER, name) for name in OWNER.__struct_fields__} | change)
    with pytest.raises(Unusable, match=said):
        read_file(path, owner)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.checkpoint"
    path.write_bytes(b"PK\3\4" * 100)
    with pytest.raises(Unusable, match="does not begin as a checkpoint"):
        read_file(path)


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.checkpoint"
    write_file(path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(path, b"new")
    assert read_file(path)[1] == b"ledger" * 1_000
    assert names(tmp_path) == [path.name]


def test_a_writer_that_is_stopped_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.checkpoint"
    write_file(path)
    held = memory(b"new")
    heading = Heading(OWNER, 10, Witness(9, 7), 0, held.size, held.checksum())
    with pytest.raises(InterruptedError):
        write(path, heading, held, stopped=lambda: True)
    assert read_file(path)[1] == b"ledger" * 1_000


def test_what_killed_writers_left_is_removed_and_what_living_ones_write_is_not(tmp_path: Path) -> None:
    import fcntl  # noqa: PLC0415 - for this one

    path = tmp_path / "a.checkpoint"
    left, alive, others = (tmp_path / f"{name}.part" for name in ("a.checkpoint.x", "a.checkpoint.y", "b"))
    for file in (left, alive, others):
        file.write_bytes(b"half")
    with alive.open("rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        write_file(path)
    assert names(tmp_path) == sorted([path.name, alive.name, others.name])
