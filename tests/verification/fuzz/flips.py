"""Flips bits of batches and walks over them: nothing may be raised, passed over, or taken for another."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiokafka.structs import TopicPartition

from streams.kafka.log.batches import BrokenBatch
from streams.kafka.log.walk import Fetched, walk
from tests.support.kafka.raw_batches import ATTRIBUTES, CODECS, batch, marker, message, sealed, sealed_message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PLACE: Final = TopicPartition("purchases", 0)

MOST: Final = 1_000
"""Records of one walk; no log here has so many."""

HEADERS: Final = [("trace", b"1"), ("source", b"till")]


@dataclass(frozen=True)
class Piece:
    """A batch of a log, and what it holds."""

    data: bytes
    first: int
    last: int
    version: int = 2
    values: tuple[bytes, ...] = ()


def logs() -> list[list[Piece]]:
    """A log of each codec and version: three batches, of which the middle one will be flipped."""
    made = [
        [_batch(0, 5, codec), _batch(5, count, codec), _batch(5 + count, 3, codec)]
        for codec in CODECS.values()
        for count in (1, 12)
    ]
    for version in (0, 1):
        for codec in (0, 1, 2):
            size = 2 if codec else 1
            pieces = [_message(0, 1, version, 0), _message(1, size, version, codec)]
            made.append([*pieces, _message(1 + size, 1, version, 0)])
    made.append([_batch(0, 4, 0), Piece(marker(4), 4, 4), _batch(5, 3, 0)])
    return made


def _batch(base: int, count: int, codec: int) -> Piece:
    values = tuple(b'{"event_id": "%d", "customer_id": "900"}' % (base + at) for at in range(count))
    return Piece(batch(base, values, codec=codec, headers=HEADERS), base, base + count - 1, 2, values)


def _message(base: int, count: int, version: int, codec: int) -> Piece:
    last = base + count - 1
    value = b"message that ends at %d" % last
    return Piece(message(last, value, version=version, codec=codec), base, last, version, (value,) * count)


@dataclass
class Tally:
    """What became of flipped batches."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """Each of them is a fault of ours."""


def flipped(data: bytes, chance: random.Random) -> bytes:
    """One to three bits of the batch are others."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        bit = chance.randrange(8 * len(made))
        made[bit // 8] ^= 1 << bit % 8
    return bytes(made)


def run(count: int, seed: int, tally: Tally) -> None:
    """Flip so many batches; half of them get the checksum of what they hold then."""
    chance, every = random.Random(seed), logs()
    for number in range(count):
        pieces = list(chance.choice(every))
        at = chance.choice((1, 1, 1, 2))
        data, again = flipped(pieces[at].data, chance), chance.random() < 0.5
        if again:
            data = (
                sealed(data) if pieces[at].version == 2 and len(data) > ATTRIBUTES else sealed_message(data)
            )
        pieces[at] = Piece(data, pieces[at].first, pieces[at].last, pieces[at].version, pieces[at].values)
        where = f"seed {seed}, flip {number}"
        try:
            _judge(pieces, at, tally, where, covered=not again)
        except Exception as error:  # noqa: BLE001 - any at all is a fault
            tally.faults.append(f"{where}: {error!r}")


def _judge(pieces: Sequence[Piece], at: int, tally: Tally, where: str, *, covered: bool) -> None:
    good, named, outcome = _read(pieces)
    end = pieces[-1].last + 1
    missing = set(range(end)) - good.keys() - named
    markers = {each for piece in pieces if not piece.values for each in range(piece.first, piece.last + 1)}
    if missing - markers:
        # With a right checksum a batch may say that it holds fewer records, or that it ends a transaction.
        if covered or not missing <= set(range(pieces[at].first, pieces[at].last + 1)):
            tally.faults.append(f"{where}: offsets {sorted(missing - markers)} are passed over")
        outcome = "said by a right checksum to hold none"
    held = {value for piece in pieces for value in piece.values}
    if covered and not set(good.values()) <= held:
        tally.faults.append(f"{where}: a record that was never written")
    tally.outcomes[f"{'flipped' if covered else 'and sealed'}: {outcome}"] += 1


def _read(pieces: Sequence[Piece]) -> tuple[dict[int, bytes | None], set[int], str]:
    """The good records by offset, the offsets that were named, and what became of the flipped batch."""
    end, due, outcome = pieces[-1].last + 1, 0, "read"
    good: dict[int, bytes | None] = {}
    named: set[int] = set()
    for _ in range(2 * len(pieces) + 2):
        if due >= end:
            return good, named, outcome
        data = b"".join(piece.data for piece in pieces if piece.last >= due)
        walked = walk(PLACE, due, Fetched(data, end), MOST)
        for record in walked.records:
            if isinstance(record, BrokenBatch):
                outcome = "put by"
                named |= set(range(record.first_offset, record.offset + 1))
            else:
                good[record.offset] = record.value
        following = walked.following
        if walked.lost is not None or following == due:
            outcome = "lost and named"
            last = walked.lost.last if walked.lost is not None else None
            following = (
                next(piece.last for piece in pieces if piece.last >= following) if last is None else last
            )
            named |= set(range(walked.following, following + 1))
            following += 1
        due = following
    raise AssertionError("a walk that does not get on")


def told(tally: Tally) -> Iterator[str]:
    """The outcomes, one a line, the most frequent first."""
    width = max(map(len, tally.outcomes), default=0)
    for outcome, count in tally.outcomes.most_common():
        yield f"{outcome:<{width}}  {count:>9,}"
