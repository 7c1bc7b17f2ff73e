"""Queue of a partition: decoded runs of fetched records that wait for the agent."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from models.contracts.timestamps import EARLIEST_MS, LATEST_MS
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Raw
from streams.delivery.dead_letters import refusal_of
from streams.errors import EngineError
from streams.kafka.log.batches import BrokenBatch
from streams.partition.batch import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.flow import DecoderLike

RUNS_WAITING = 2
"""Decoded batches that may wait for the agent. A larger number costs memory and latency."""


class RunQueue:
    """Runs of decoded records in the order of their offsets.

    Args:
        decoder: Decoder of raw records.
    """

    def __init__(self, decoder: DecoderLike) -> None:
        self._decoder = decoder
        self._runs: deque[Run] = deque()
        self.expected = -1
        """Offset that the next fetched record should have."""

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def full(self) -> bool:
        """True while no more records should be fetched."""
        return len(self._runs) >= RUNS_WAITING

    def offer(self, raws: Sequence[Any]) -> None:
        """Decode fetched records and append them as a run.

        One of the records may be a whole `BrokenBatch`.
        """
        records, refusals = self._decoder.decode([raw_of(record) for record in raws])
        if len(records) != len(raws):
            raise EngineError(f"the decoder made {len(records)} records of {len(raws)}")
        # The decoder refuses the bytes of a broken batch, as no event. The batch's own reason replaces the
        # decoder's.
        broken = {raw.offset: refusal_of(raw) for raw in raws if isinstance(raw, BrokenBatch)}
        refused = tuple(broken.get(refusal.offset, refusal) for refusal in refusals)
        self._runs.append(Run(records, raws, refused))
        self.expected = raws[-1].offset + 1

    def take(self) -> Run:
        """Remove and return the first run."""
        return self._runs.popleft()

    def put_back(self, runs: Iterable[Run]) -> None:
        """Put runs before all others, keeping their order."""
        self._runs.extendleft(reversed(list(runs)))

    def clear(self) -> None:
        """Drop all runs."""
        self._runs.clear()


def raw_of(record: Any) -> Raw:
    """Take the fields that a decoder needs from a consumer record.

    An impossible timestamp becomes `UNKNOWN_TIME`.
    """
    stamped = EARLIEST_MS <= record.timestamp <= LATEST_MS
    return Raw(record.offset, record.value, record.timestamp if stamped else UNKNOWN_TIME)
