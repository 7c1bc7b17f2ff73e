"""The mutations: what is changed where, and what has to notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

AT_LEAST_ONCE = ("-m", "tests.verification.simulation", "--schedules=400", "--guarantee=at_least_once")
SELDOM = ("-m", "tests.verification.simulation", "--schedules=1500", "--guarantee=at_least_once")
"""For a fault that takes a pause between a permission and a sending: one schedule in hundreds has it."""
EXACTLY_ONCE = ("-m", "tests.verification.simulation", "--schedules=400", "--guarantee=exactly_once")


class Edit(NamedTuple):
    """A text that stands exactly once in a file, and what takes its place."""

    file: str
    old: str
    new: str


class Misfit(Exception):  # noqa: N818 - it says what is wrong
    """The text of an edit is not there exactly once: the code has changed, and the mutation has to follow."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One fault.

    Args:
        name: what is wrong then.
        edits: how it is made.
        noticed_by: arguments of Python for a command that must fail.
    """

    name: str
    edits: tuple[Edit, ...]
    noticed_by: tuple[str, ...]

    def apply(self, tree: Path) -> None:
        """Put it into a copy of the tree.

        Raises:
            Misfit: a text is not there exactly once.
        """
        for file, old, new in self.edits:
            path = tree / file
            text = path.read_text(encoding="utf-8")
            if text.count(old) != 1:
                raise Misfit(f"{self.name}: {file} holds {text.count(old)} times, not once:\n{old}")
            path.write_text(text.replace(old, new), encoding="utf-8")


def _tests(*names: str) -> tuple[str, ...]:
    return ("-m", "pytest", "-q", "-x", *names)


MUTATIONS = (
    Mutation(
        "offsets are committed before their rows are acknowledged",
        (
            Edit(
                "streams/membership/commits.py",
                "partition.source: partition.delivery.acknowledged",
                "partition.source: partition.expected",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "rows are written after the step counts as acknowledged",
        (
            Edit(
                "streams/delivery/at_least_once.py",
                "        if step.rows and not await self._send_rows(step.rows):\n",
                "        self.acknowledged = step.end\n        self._settled()\n"
                "        if step.rows and not await self._send_rows(step.rows):\n",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "an epoch that is over may send",
        (
            Edit(
                "streams/delivery/lease.py", "            if self.over:\n                raise Revoked\n", ""
            ),
        ),
        SELDOM,
    ),
    Mutation(
        "fetched records are bound to an epoch a moment after they came",
        (
            Edit(
                "streams/engine/fetching.py",
                "            bound = [(self._owned.get(source.partition), raws) ",
                "            await asyncio.sleep(0.3)\n"
                "            bound = [(self._owned.get(source.partition), raws) ",
            ),
            Edit("streams/engine/fetching.py", "import functools\n", "import asyncio\nimport functools\n"),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "the clock row is left out",
        (
            Edit(
                "streams/delivery/at_least_once.py",
                "await self._send_rows(step.rows):",
                "await self._send_rows(step.rows[:-1]):",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "the source is taken up at the last applied record, not behind it",
        (Edit("streams/changelog/recovery.py", "following = clock.offset + 1", "following = clock.offset"),),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "of the changelog's records the last of every fetch is left out",
        (
            Edit(
                "streams/changelog/recovery.py",
                "            yield fetched[partition]",
                "            yield fetched[partition][: max(1, len(fetched[partition]) - 1)]",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "outputs are not waited for",
        (
            Edit(
                "streams/delivery/at_least_once.py",
                "        if ahead is not None:\n            await ahead\n",
                "",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "a partition is not sought in the callback",
        (Edit("streams/engine/partitions.py", "        self.running.consumer.seek(source, 0)\n", ""),),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "a recovered partition without an offset is not sought",
        (
            Edit("streams/engine/partitions.py", "        self.running.consumer.seek(source, 0)\n", ""),
            Edit(
                "streams/engine/partitions.py",
                "        self.running.consumer.seek(partition.source, opened.start)\n",
                "        if opened.start:\n"
                "            self.running.consumer.seek(partition.source, opened.start)\n",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "what waits is cleared after the seek",
        (
            Edit(
                "streams/partition/run_queue.py",
                "        self._runs.append(Run(",
                "        self._runs.clear()\n        self._runs.append(Run(",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "the last row in the log wins, not the greatest",
        (
            Edit(
                "streams/changelog/framing.py",
                "if known is not None and known > rank:",
                "if False:",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "corrected rows are not written again",
        (
            Edit(
                "streams/engine/opening.py",
                "for rows in recovered.corrections:",
                "for rows in ():",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "there is no lease",
        (
            Edit(
                "streams/delivery/lease.py",
                "return self._clock.elapsed() < self._until",
                "return True",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "a refused commit renews the lease",
        (
            Edit(
                "streams/membership/commits.py",
                "self._counts.commits_refused += 1  # the group is about",
                "lease.renew(asked)  # the group is about",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "the changelog position moves on whatever offset was acknowledged",
        (
            Edit(
                "streams/delivery/at_least_once.py",
                "        if base != self.base:\n",
                "        if base < 0:\n",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "a kept ledger is taken up whatever was written since",
        (
            Edit(
                "streams/changelog/recovery.py",
                "if kept.live and not kept.wrong and greatest.last == kept.witness:",
                "if kept.live:",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "a ledger is kept that holds what is not acknowledged",
        (Edit("streams/partition/partition.py", "clean = self.idle and self.consistent", "clean = True"),),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "a standby forgets which rows have to be written again",
        (
            Edit(
                "streams/changelog/standby.py",
                "warm.wrong = (warm.wrong - greatest.rows.keys()) | greatest.corrected | set(older)",
                "warm.wrong = set()",
            ),
        ),
        _tests("tests/streams/changelog/test_standby.py"),
    ),
    Mutation(
        "an interrupted sweep waits for a purchase",
        (
            Edit(
                "streams/partition/partition.py",
                "self._turn.set()  # a sweep that was interrupted goes on, whether records come or not",
                "pass",
            ),
        ),
        _tests("tests/streams/partition/test_partition.py"),
    ),
    Mutation(
        "a worker that stops opens what it is assigned meanwhile",
        (Edit("streams/engine/partitions.py", "        if self.should_stop:\n", "        if False:\n"),),
        _tests("tests/streams/engine/test_partitions.py"),
    ),
    Mutation(
        "what is committed is asked after the changelog is read",
        (
            Edit(
                "streams/engine/opening.py",
                "                committed=committed,\n",
                "                committed=await self._consumer.committed(partition.source),\n",
            ),
        ),
        _tests("tests/streams/engine/test_partitions_source.py"),
    ),
    Mutation(
        "halving drops a record",
        (
            Edit(
                "streams/partition/isolation.py",
                "[run.part(0, middle), run.part(middle, len(run))]",
                "[run.part(0, middle), run.part(middle, max(middle + 1, len(run) - 1))]",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "batches travel over a plain Faust channel",
        (
            Edit(
                "streams/partition/channel.py",
                "        return self._batches\n",
                "        return super().queue\n",
            ),
        ),
        _tests("tests/streams/partition/test_channel.py"),
    ),
    Mutation(
        "the producer id is taken after the changelog is read",
        (
            Edit(
                "streams/engine/opening.py",
                "await self._connections.transactional(partition.number) if self._exactly_once else None",
                "None",
            ),
            Edit(
                "streams/engine/opening.py",
                "        delivery = self._delivery(partition, producer, recovered, start=start)\n",
                "        if self._exactly_once:\n"
                "            producer = await self._connections.transactional(partition.number)\n"
                "        delivery = self._delivery(partition, producer, recovered, start=start)\n",
            ),
        ),
        EXACTLY_ONCE,
    ),
    Mutation(
        "the position is left out of the transaction",
        (
            Edit(
                "streams/delivery/exactly_once.py",
                "self._producer.send_offsets_to_transaction({self._source: steps[-1].end}, self._group)",
                "asyncio.sleep(0)",
            ),
        ),
        EXACTLY_ONCE,
    ),
    Mutation(
        "rows have a transaction of their own, behind that of the outputs",
        (
            Edit(
                "streams/delivery/exactly_once.py",
                "        base, _, *_ = await asyncio.gather(\n",
                "        await asyncio.gather(*outputs)\n"
                "        await self._epoch.permit()\n"
                "        await self._producer.commit_transaction()\n"
                "        await self._producer.begin_transaction()\n"
                "        outputs = ()\n"
                "        base, _, *_ = await asyncio.gather(\n",
            ),
        ),
        EXACTLY_ONCE,
    ),
    Mutation(
        "a fenced producer counts as delivered",
        (
            Edit(
                "streams/delivery/exactly_once.py",
                'or a transaction took too long")\n            return 0\n',
                'or a transaction took too long")\n            return len(steps)\n',
            ),
        ),
        EXACTLY_ONCE,
    ),
    Mutation(
        "a fenced producer is taken for an end of the epoch",
        (
            Edit(
                "streams/delivery/exactly_once.py",
                "        self._open = False\n        self._gone(why)\n",
                "        self._open = False\n",
            ),
        ),
        EXACTLY_ONCE,
    ),
    Mutation(
        "a transaction is committed without asking whether the epoch is over",
        (
            Edit(
                "streams/delivery/exactly_once.py",
                "        await self._epoch.permit()\n        self._open = False",
                "        self._open = False",
            ),
        ),
        EXACTLY_ONCE,
    ),
    Mutation(
        "of the rows of several steps the first is kept, not the last",
        (
            Edit(
                "streams/delivery/exactly_once.py",
                "            rows.pop(key, None)\n            rows[key] = value\n",
                "            rows.setdefault(key, value)\n",
            ),
        ),
        EXACTLY_ONCE,
    ),
    Mutation(
        "a tombstone is not counted where the next rows are expected",
        (
            Edit(
                "streams/delivery/queue.py",
                "        last = base + records_of(rows) - 1\n",
                "        last = base + len(rows) - 1\n",
            ),
        ),
        _tests("tests/streams/delivery/test_at_least_once.py", "tests/streams/delivery/test_exactly_once.py"),
    ),
    Mutation(
        "an erased customer's row is written without a tombstone",
        (
            Edit(
                "streams/changelog/framing.py",
                "return customer_of(row.key) is not None and is_erased(row.value)",
                "return False",
            ),
        ),
        _tests("tests/streams/changelog/test_framing.py"),
    ),
    Mutation(
        "a tombstone is passed over",
        (
            Edit(
                "streams/changelog/framing.py",
                "                    value = _erased_by(record)\n",
                "                    continue\n",
            ),
        ),
        _tests("tests/streams/changelog/test_framing.py"),
    ),
    Mutation(
        "a stale row behind a tombstone is not written over",
        (
            Edit(
                "streams/changelog/recovery.py",
                "    return rows + [Row(key, greatest.rows[key]) for key in sorted(unknown)]\n",
                "    return rows\n",
            ),
        ),
        _tests("tests/streams/changelog/test_recovery.py"),
    ),
    Mutation(
        "an erased customer's tombstone before the place is forgotten",
        (
            Edit(
                "streams/changelog/recovery.py",
                "    if not unknown <= greatest.rows.keys():\n",
                "    if False:\n",
            ),
        ),
        _tests("tests/streams/changelog/test_recovery.py"),
    ),
    Mutation(
        "an erased customer's habits are left without a tombstone",
        (
            Edit(
                "models/state/step.py",
                "keys = (customer, habits_key(customer))",
                "keys = (customer,)",
            ),
        ),
        _tests("tests/models/ledger/test_erasure.py"),
    ),
    Mutation(
        "the habits of a folded day are not written",
        (Edit("models/ledger/storage.py", "habits=step.folded)", "habits=step.folded[:0])"),),
        _tests("tests/models/ledger/test_storage.py"),
    ),
    Mutation(
        "habits that belong to another day are taken for the customer's",
        (Edit("models/ledger/intake.py", "        if len(torn):\n", "        if False:\n"),),
        _tests("tests/models/state/test_customer_rows.py"),
    ),
    Mutation(
        "the rank of habits depends on where a batch is cut",
        (
            Edit(
                "models/state/customer_rows.py",
                'header["offset"] = state.customers["habits_offset"][rows]',
                'header["offset"] = state.customers["offset"][rows]',
            ),
        ),
        _tests("tests/models/ledger/test_ledger.py", "-k", "any_cutting"),
    ),
    Mutation(
        "habits of an erased customer outrank those of the customer who came back",
        (
            Edit(
                "models/state/step.py",
                '        customers["habits_offset"][rows] = customers["offset"][rows]\n',
                "",
            ),
        ),
        _tests("tests/models/ledger/test_erasure.py"),
    ),
    Mutation(
        "the section of raised alerts is lost",
        (
            Edit(
                "models/state/customer_rows.py",
                "    if len(raised):\n",
                "    if False:\n",
            ),
        ),
        _tests("tests/models/ledger/test_storage.py"),
    ),
    Mutation(
        "the same habits taken again lose the alerts of their cells",
        (Edit("models/ledger/intake.py", "elif held != rank or not is_habits(key):", "else:"),),
        _tests("tests/models/state/test_customer_rows.py"),
    ),
    Mutation(
        "sections of a later release are dropped",
        (
            Edit(
                "models/state/customer_rows.py",
                "            held[key] = kept[place]\n",
                "            pass\n",
            ),
        ),
        _tests("tests/models/state/test_customer_rows.py"),
    ),
    Mutation(
        "an erased customer stays in a ledger that takes the tombstone",
        (
            Edit(
                "models/ledger/intake.py",
                "        state.forget(row)\n        self._alerts.pop(customer, None)\n",
                "",
            ),
        ),
        _tests("tests/streams/changelog/test_recovery.py"),
    ),
    Mutation(
        "an event that no longer fits a batch is dropped",
        (
            Edit(
                "streams/delivery/event_batches.py",
                "                written = record(0, 0, customer, value, "
                "(shared, _identity(identity), _time(at)))\n",
                "                continue\n",
            ),
        ),
        AT_LEAST_ONCE,
    ),
    Mutation(
        "batches of events do not say that they belong to a transaction",
        (
            Edit(
                "streams/kafka/record_batch.py",
                "self._attributes = _TRANSACTIONAL * transactional",
                "self._attributes = 0",
            ),
        ),
        _tests("tests/streams/delivery/test_event_batches.py"),
    ),
    Mutation(
        "an edited event is taken for the one that was counted",
        (
            Edit(
                "models/state/ring.py",
                "np.where(known == content[again], Verdict.DUPLICATE, Verdict.CHANGED)",
                "Verdict.DUPLICATE",
            ),
        ),
        _tests("tests/models/ledger/test_ledger.py", "-k", "edited"),
    ),
    Mutation(
        "what a remembered event said does not move with it",
        (
            Edit(
                "models/state/customer_rows.py",
                "        events[name] = column[sorted_places]\n",
                '        events[name] = column if name == "content" else column[sorted_places]\n',
            ),
        ),
        _tests("tests/models/state/test_customer_rows.py"),
    ),
    Mutation(
        "what a catalogue says is not written to the changelog",
        (
            Edit(
                "models/state/step.py",
                "return self.state.catalogue.changed_since(self._catalogue)",
                "return []",
            ),
        ),
        _tests("tests/models/learning/test_catalogue.py"),
    ),
    Mutation(
        "a catalogue's rows do not grow with the log",
        (
            Edit(
                "models/ledger/storage.py",
                "offset=catalogue.offsets[shard], boundary=0",
                "offset=0, boundary=0",
            ),
        ),
        _tests("tests/models/learning/test_catalogue.py"),
    ),
    Mutation(
        "a catalogue that is not the first of its run is passed over",
        (Edit("models/ledger/ledger.py", "if kind in _ALONE or (", "if kind == int(Kind.ERASE) or ("),),
        _tests("tests/models/ledger/test_ledger.py"),
    ),
)
