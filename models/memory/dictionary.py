"""Dictionary of names as bounded small numbers, stored in shards. A new name changes the last shard only."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

UNTRACKED = 0
"""Number of every name that found no room. Such a name is counted and not remembered."""
_SHARD_BYTES = 16_384
"""Bytes of names in one shard. Shards are small, because a batch with a new name writes its whole shard
again."""
_LENGTH = struct.Struct("<H")


class Dictionary:
    """Numbers for names in order of first appearance, from 1 on.

    Args:
        most_names: Most names that get a number.
        most_bytes: Most bytes of all shards. Later names are `UNTRACKED`.

    >>> names = Dictionary(most_names=2, most_bytes=100)
    >>> names.numbers(["MILK", "BREAD", "MILK", "EGGS"])
    [1, 2, 1, 0]
    >>> names.name(2)
    'BREAD'
    """

    def __init__(self, *, most_names: int, most_bytes: int) -> None:
        self._most_names = most_names
        self._most_bytes = most_bytes
        self._names: list[str] = [""]
        self._numbers: dict[str, int] = {}
        self._shard_of: list[int] = [0]
        self._shards = [bytearray()]
        self._bytes = 0
        self.hashes = np.zeros(1024, np.uint64)
        """(most names,) 64-bit BLAKE2b of each name, which sorts names independently of their order of
        arrival."""
        self.classes = np.zeros(1024, np.uint8)
        """(most names,) class of each name by `classify`; 0 without classes."""
        self.groups = np.zeros(1024, np.uint8)
        """(most names,) group of each name by `group`; 0 without groups."""
        self._classify: Callable[[str], int] | None = None
        self._group: Callable[[str], int] | None = None

    def __len__(self) -> int:
        return len(self._names) - 1

    @property
    def shards(self) -> int:
        """Count of the shards that hold a name."""
        return len(self._shards) if self else 0

    def name(self, number: int) -> str:
        """Return the name of a number; empty for `UNTRACKED`."""
        return self._names[number]

    def names(self, numbers: list[int]) -> list[str]:
        """Return the name of each number."""
        known = self._names
        return [known[number] for number in numbers]

    def classify(self, classify: Callable[[str], int]) -> None:
        """Assign every present and future name to a class.

        Args:
            classify: Function from a name to its class, 0 to 255, which may depend on the name alone.
        """
        self._classify = classify
        for number in range(1, len(self._names)):
            self.classes[number] = classify(self._names[number])

    def group(self, group: Callable[[str], int]) -> None:
        """Assign every present and future name to a group, as `classify` does to a class."""
        self._group = group
        for number in range(1, len(self._names)):
            self.groups[number] = group(self._names[number])

    def numbers(self, names: list[str]) -> list[int]:
        """Return the number of each name. A new name gets a number while there is room."""
        known = self._numbers
        try:
            return [known[name] for name in names]
        except KeyError:
            return [known[name] if name in known else self._add(name) for name in names]

    def find(self, names: list[str]) -> list[int]:
        """Return the number of each name; `UNTRACKED` for a name without a number."""
        known = self._numbers
        return [known.get(name, UNTRACKED) for name in names]

    def shards_since(self, known: int) -> list[tuple[int, bytes]]:
        """Return number and bytes of each shard that holds a name after the first `known`."""
        if known >= len(self):
            return []
        return [
            (shard, bytes(self._shards[shard]))
            for shard in range(self._shard_of[known + 1], len(self._shards))
        ]

    def load(self, shards: list[bytes]) -> None:
        """Load the names of all shards.

        Args:
            shards: Bytes of the shards, in order of their numbers.

        Raises:
            ValueError: A shard is cut off or not UTF-8.
        """
        for shard in shards:
            at = 0
            while at < len(shard):
                if at + 2 > len(shard):
                    raise ValueError("a dictionary shard ends inside a length")
                (length,) = _LENGTH.unpack_from(shard, at)
                name = shard[at + 2 : at + 2 + length]
                if len(name) != length:
                    raise ValueError("a dictionary shard ends inside a name")
                self._append(name.decode())
                at += 2 + length

    def truncate(self, length: int) -> None:
        """Remove every name after the first `length`."""
        while len(self) > length:
            name = self._names.pop()
            shard = self._shard_of.pop()
            size = len(name.encode()) + _LENGTH.size
            self._bytes -= size
            del self._shards[shard][-size:]
            del self._numbers[name]
        while len(self._shards) > 1 and not self._shards[-1]:
            self._shards.pop()

    def _add(self, name: str) -> int:
        if (
            len(self) >= self._most_names
            or self._bytes + len(name.encode()) + _LENGTH.size > self._most_bytes
        ):
            return UNTRACKED
        self._append(name)
        return self._numbers[name]

    def _append(self, name: str) -> None:
        number = len(self._names)
        encoded = name.encode()
        size = len(encoded) + _LENGTH.size
        if len(self._shards[-1]) + size > _SHARD_BYTES:
            self._shards.append(bytearray())
        self._shards[-1] += _LENGTH.pack(len(encoded)) + encoded
        self._shard_of.append(len(self._shards) - 1)
        self._bytes += size
        self._names.append(name)
        self._numbers[name] = number
        if number >= len(self.hashes):
            self.hashes = np.concatenate([self.hashes, np.zeros_like(self.hashes)])
            self.classes = np.concatenate([self.classes, np.zeros_like(self.classes)])
            self.groups = np.concatenate([self.groups, np.zeros_like(self.groups)])
        self.hashes[number] = int.from_bytes(blake2b(encoded, digest_size=8).digest(), "little")
        if self._classify is not None:
            self.classes[number] = self._classify(name)
        if self._group is not None:
            self.groups[number] = self._group(name)
