"""Emitter of a partition: turns the changes of one ledger step into one step of delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.structs import TopicPartition

from models.records.partitioner import partition_of
from streams.delivery.dead_letters import dead_letter
from streams.delivery.queue import DeliveryStep, Events, Send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.contracts.changes import Changes, Refusal
    from streams.flow import Flow
    from streams.metrics import Counts
    from streams.partition.batch import Run

MOST_HEADER_BYTES = 64 * 1024
"""Most bytes of headers that a misrouted record keeps. Producers may compress megabytes of headers into a
record."""


class Emitter:
    """Maker of delivery steps, which also counts what the steps hold.

    Args:
        flow: Flow whose topics the events go to.
        number: Number of the partition.
        counts: Counters of the worker.
    """

    def __init__(self, flow: Flow, number: int, counts: Counts) -> None:
        self._flow = flow
        self._number = number
        self._counts = counts
        self.end = -1
        """Source offset after the last record that a step accounts for."""

    def step(self, changes: Changes, run: Run | None) -> DeliveryStep | None:
        """Make the step that delivers changes, and count the changes.

        A run always makes a step, because its offset must be acknowledged. A sweep without sends and rows
        makes None.

        Args:
            changes: Result of `advance` or `sweep`.
            run: Records that were applied; None for a sweep.
        """
        sends: list[Send | Events] = [
            Events(TopicPartition(self._flow.outputs[block.topic], self._number), block)
            for block in changes.outputs.blocks
        ]
        if run is not None:
            sends += self._dead_letters(run, (*run.refusals, *changes.refusals))
            sends += self._misrouted(run, changes.misrouted)
            self.end = int(run.records.offsets[-1]) + 1
        self._count(changes)
        if sends or changes.rows or run is not None:
            return DeliveryStep(self.end, sends, changes.rows)
        return None

    def _count(self, changes: Changes) -> None:
        self._counts.take(changes.counts)
        for block in changes.outputs.blocks:
            self._counts.outputs[block.topic] += len(block)
        self._counts.rows += len(changes.rows)
        self._counts.row_bytes += sum(len(row.key) + len(row.value) for row in changes.rows)

    def _dead_letters(self, run: Run, refusals: tuple[Refusal, ...]) -> list[Send]:
        target = TopicPartition(self._flow.dead_letters, self._number)
        sends = []
        for refusal in sorted(refusals, key=lambda refusal: refusal.offset):
            self._counts.dead_letters[refusal.error] += 1
            raw = run.raws[run.index(refusal.offset)]
            sends.append(Send(target, *dead_letter(raw, refusal, source=self._flow.event_source)))
        return sends

    def _misrouted(self, run: Run, offsets: tuple[int, ...]) -> list[Send]:
        flow, sends = self._flow, []
        for offset in offsets:
            index = run.index(offset)
            raw, customer = run.raws[index], run.records.customers[index]
            home = TopicPartition(flow.source, partition_of(customer, flow.partitions, flow.partitioner))
            self._counts.misrouted += 1
            sends.append(Send(home, customer, raw.value, _carried(raw.headers), raw.timestamp))
        return sends


def _carried(headers: Sequence[tuple[str, bytes | None]]) -> Sequence[tuple[str, bytes | None]]:
    """Return the headers of a misrouted record.

    Return none if they might make it too large for a record batch.
    """
    size = sum(len(name.encode()) + len(value or b"") for name, value in headers)
    return headers if size <= MOST_HEADER_BYTES else ()
