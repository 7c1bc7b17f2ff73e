"""Ledger of one tree in a process of its own, fed on command over pipes.

The benchmark starts this file with the folder of a tree, this one or another commit's, on `PYTHONPATH`. Two
trees thus share neither modules nor caches, and work in turns: each waits while the other computes.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
import time
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from models.contracts.changes import Changes
    from models.records.columns import Records

SWEEP_CUSTOMERS = 600
"""Customers in a slice of a sweep."""


class Fed(NamedTuple):
    """Outcome of a run of records, and what it cost."""

    cpu: dict[str, int]
    """Processor time by `decode`, `advance` and `sweep`, ns."""
    wall: dict[str, int]
    """Wall time by the same, ns."""
    steps: dict[str, int]
    """Count of calls by the same."""
    sums: dict[str, int]
    """Records, baskets, and count and bytes of outputs and of rows."""
    outputs: bytes
    """Digest of all outputs in their order, headers included."""
    rows: bytes
    """Digest of all rows in their order."""


class Feeder:
    """Ledger of one partition, and the log that it is fed with.

    Args:
        log: Values and event times (ms since 1970 UTC) of all records.
    """

    def __init__(self, log: list[tuple[bytes, int]]) -> None:
        from models.ledger.ledger import Ledger  # noqa: PLC0415 (of the tree on PYTHONPATH)
        from models.records.decoder import Decoder, Raw  # noqa: PLC0415
        from models.settings import LedgerSettings  # noqa: PLC0415

        settings = LedgerSettings(clock="log")

        def make_ledger() -> Ledger:
            return Ledger(settings)

        self.make_ledger = make_ledger
        self.ledger = make_ledger()
        self._decoder = Decoder(settings)
        self._raws = [Raw(offset, value, at) for offset, (value, at) in enumerate(log)]
        self.latest: list[Changes] = []
        """Changes of the run fed last, for a look at what differs."""

    def feed(self, start: int, stop: int) -> Fed:
        """Decode and apply records `start:stop`, and finish the sweep behind the last of them."""
        cpu, wall, steps, sums = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        self.latest = []

        def timed(name: str, call: Any, *arguments: Any) -> Any:
            begun, at = time.process_time_ns(), time.perf_counter_ns()
            result = call(*arguments)
            cpu[name] += time.process_time_ns() - begun
            wall[name] += time.perf_counter_ns() - at
            steps[name] += 1
            return result

        records: Records = timed("decode", self._decoder.decode, self._raws[start:stop])[0]
        done = 0
        while done < len(records) or self.ledger.sweeping:
            if self.ledger.sweeping:
                self.latest.append(timed("sweep", self.ledger.sweep, SWEEP_CUSTOMERS))
                continue
            changes = timed("advance", self.ledger.advance, records.slice(done, len(records)))
            done += changes.applied
            self.latest.append(changes)
        outputs, rows = blake2b(), blake2b()
        for changes in self.latest:
            sums["baskets"] += changes.counts.get("applied", 0)
            for output in changes.outputs:
                outputs.update(repr(_plain(output)).encode())
                sums["outputs"] += 1
                sums["output_bytes"] += len(output.value)
            for key, row in changes.rows:
                rows.update(key + b"|" + row)
                sums["rows"] += 1
                sums["row_bytes"] += len(key) + len(row)
        sums["records"] = len(records)
        return Fed(dict(cpu), dict(wall), dict(steps), dict(sums), outputs.digest(), rows.digest())

    def show(self) -> tuple[list[tuple[Any, ...]], list[tuple[bytes, bytes]]]:
        """Return outputs and rows of the run fed last."""
        outputs = [_plain(output) for changes in self.latest for output in changes.outputs]
        return outputs, [(row.key, bytes(row.value)) for changes in self.latest for row in changes.rows]


def _plain(output: Any) -> tuple[Any, ...]:
    return output.topic, output.key, bytes(output.value), sorted(output.headers), output.timestamp


def settle_memory() -> None:
    """Put the allocator and the collector into a worker's state."""
    try:
        from streams.process.memory import keep_buffers, spare_the_collector  # noqa: PLC0415
    except ModuleNotFoundError:
        gc.freeze()
        return
    keep_buffers()
    spare_the_collector()


def main() -> None:
    """Answer commands, pickled on standard input, until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not disturb the answers
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123 (pathlib is no part of what is measured)
        feeder = Feeder(pickle.load(file))  # noqa: S301 (the benchmark wrote it)
    settle_memory()
    while True:
        try:
            name, *arguments = pickle.load(sys.stdin.buffer)  # noqa: S301
        except EOFError:
            return
        result = getattr(feeder, name)(*arguments)
        pickle.dump(tuple(result), answers)
        answers.flush()


if __name__ == "__main__":
    main()
