"""The oracle: what a log must come to, and what is wrong with what is there.

What must be there is a pure replay of the committed log through the decoder and the ledger, in one process
and without the engine: it says which rows, outputs and dead letters exist, and which events were to be sent
on to another partition.

Lost and counted twice
- A customer's row holds the number of its purchases. Of a row that differs from the replay's, what is missing
  of that number is lost, and what is beyond it is counted twice; a row that is not there holds none. A row
  that differs in anything else is in `customers_differing` alone, which therefore is the sharper measure: one
  event lost and another counted twice for the same customer cancel out.
- An event that came to the wrong partition, and of which its own holds no copy, is lost. So is one whose
  write was acknowledged and which the log does not hold.

Outputs (dead letters are outputs too)
- Missing is one of which no copy, equal in topic, key, value and headers, is there.
- A purchase that comes again after its customer was erased causes what it did before, by the same ids: such
  an event is there as often as the replay says.
- Repeated is every copy that is not equal to the replay's, whether the replay knows its id or not; where
  delivery is exactly once, every second equal copy too. An event that was sent on to its own partition more
  often than it came to a wrong one is then repeated too; under the other guarantee such copies are
  duplicates, as any producer's.
"""

from __future__ import annotations

import struct
import sys
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from models.memory.rows import is_erased
from models.records.columns import Kind
from models.records.decoder import Decoder
from models.records.partitioner import partition_of
from models.replay.steps import finish_sweep
from models.state.columns import HEAD
from models.state.customer_rows import HEAD_AT
from streams.changelog.recovery import digest
from streams.clock import SystemClock
from streams.delivery.dead_letters import dead_letter
from streams.partition.batch import Run
from streams.partition.isolation import PoisonIsolator
from streams.partition.run_queue import raw_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from models.contracts.changes import Changes
    from streams.flow import LedgerLike
    from streams.settings.settings import Settings

SWEEP = 1_000
MOST_DETAILS = 200
"""Findings that are named in full; all are counted."""


_PURCHASES, _PURCHASES_AT = struct.Struct("<I"), HEAD_AT + int(dict(HEAD.fields or {})["baskets"][1])
"""Where a row holds the number of its purchases: before its ring, whose stored length differs."""

_KEYS: Final[dict[bytes, bytes]] = {}
"""Customers, each once: millions of events name them."""


class Event(NamedTuple):
    """What has to be equal in copies of an output; value and headers as a hash, for there may be millions."""

    topic: str
    key: bytes | None
    content: bytes


Place = tuple[int, int]
"""A partition, and the hash of an event's value."""


@dataclass
class Outcome:
    """What one partition of the log comes to."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    outputs: dict[bytes, list[Event]] = field(default_factory=lambda: defaultdict(list))
    """ce_id to its event, as often as something causes it: once, unless its customer was erased."""
    erased: set[bytes] = field(default_factory=set)
    """Customers whom the log erases."""
    letters: dict[bytes, Event] = field(default_factory=dict)
    """The same for dead letters."""
    sent_on: Counter[Place] = field(default_factory=Counter)
    """Events that are to be sent on, by where to."""
    log: Counter[Place] = field(default_factory=Counter)
    """What the partition's log holds."""
    events: int = 0


class Replay:
    """The pure replay of one partition's log; it may go on as the log grows.

    Args:
        settings: of the service.
        partition: its number.
        ledger: a new one, of the kind that the workers run.
    """

    def __init__(self, settings: Settings, partition: int, ledger: LedgerLike) -> None:
        self.outcome = Outcome()
        self.partition = partition
        self.position = 0
        """The offset to read on at."""
        self._settings = settings
        self._ledger = ledger
        self._decoder = Decoder(settings.ledger)

    def take(self, raws: Sequence[Any]) -> None:
        """Go on with aiokafka's consumer records."""
        records, refusals = self._decoder.decode([raw_of(raw) for raw in raws])
        runs = deque([Run(records, raws, tuple(refusals))])
        isolation = _unlimited()
        while runs:
            run = runs.popleft()
            try:
                changes = self._ledger.advance(run.records)
            except Exception as error:  # noqa: BLE001 - as the engine does
                runs.extendleft(reversed(isolation.split(run, error)))
                continue
            if changes.applied:
                self._collect(changes)
                self._collect_refused(run.part(0, changes.applied), changes)
            else:
                self._collect(self._ledger.sweep(SWEEP))
            if changes.applied < len(run):
                runs.appendleft(run.part(changes.applied, len(run)))
        erasures = np.flatnonzero(records.kinds == Kind.ERASE).tolist()
        self.outcome.erased.update(records.customers[index] for index in erasures)
        for raw in raws:
            self.outcome.log[self.partition, digest(raw.value)] += 1
        self.outcome.events += len(raws)

    def finish(self) -> Outcome:
        """The outcome, once nothing is left to sweep."""
        for changes in finish_sweep(self._ledger, sweep_limit=SWEEP):
            self._collect(changes)
        return self.outcome

    def _collect(self, changes: Changes) -> None:
        self.outcome.rows.update(changes.rows)
        for output in changes.outputs:
            event = event_of(self._settings.topic(output.topic), output.key, output.value, output.headers)
            self.outcome.outputs[id_of(output.headers)].append(event)

    def _collect_refused(self, run: Run, changes: Changes) -> None:
        settings = self._settings
        for refusal in (*run.refusals, *changes.refusals):
            raw = run.raws[run.index(refusal.offset)]
            letter = dead_letter(raw, refusal, source=settings.ledger.event_source)
            event = event_of(settings.dead_letters_topic, letter.key, letter.value, letter.headers)
            self.outcome.letters[id_of(letter.headers)] = event
        for offset in changes.misrouted:
            index = run.index(offset)
            home = partition_of(run.records.customers[index], settings.partitions, settings.partitioner)
            self.outcome.sent_on[home, digest(run.raws[index].value)] += 1


@dataclass
class Found:
    """What a consumer that reads committed records finds."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    """The greatest of every key."""
    copies: dict[bytes, list[Event]] = field(default_factory=lambda: defaultdict(list))
    """ce_id to every copy of an output or dead letter."""

    def take(self, records: Iterable[Any]) -> None:
        """Take note of records of an output topic, or of the dead letters."""
        for record in records:
            event = event_of(record.topic, record.key, record.value, record.headers)
            self.copies[id_of(record.headers)].append(event)


class Written(NamedTuple):
    """What the load wrote."""

    copies: Mapping[Place, int]
    """How often each event was acknowledged."""
    in_doubt: frozenset[Place] = frozenset()
    """Those of which the log may hold more."""


@dataclass
class Verdict:
    """What is wrong. All of it has to be zero."""

    lost: int = 0
    counted_twice: int = 0
    outputs_missing: int = 0
    outputs_repeated: int = 0
    customers_differing: int = 0
    """Keys of the changelog whose row differs, partition-level rows included."""
    details: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (
            self.lost
            or self.counted_twice
            or self.outputs_missing
            or self.outputs_repeated
            or self.customers_differing
        )

    def note(self, text: str) -> None:
        """Name one finding, if there are not too many already."""
        if len(self.details) < MOST_DETAILS:
            self.details.append(text)


def compare(
    wanted: Sequence[Outcome], found: Sequence[Found], written: Written, *, exactly_once: bool
) -> Verdict:
    """What is wrong with what was found, partition by partition."""
    verdict = Verdict()
    for outcome, there in zip(wanted, found, strict=True):
        _compare_rows(outcome.rows, there.rows, verdict)
        _compare_outputs(outcome, there.copies, verdict, exactly_once=exactly_once)
    _compare_logs(wanted, written, verdict, exactly_once=exactly_once)
    return verdict


def _compare_rows(wanted: Mapping[bytes, bytes], found: Mapping[bytes, bytes], verdict: Verdict) -> None:
    for key in sorted(wanted.keys() | found.keys()):
        should, does = wanted.get(key), found.get(key)
        if should == does or (should is not None and is_erased(should) and does is None):
            continue  # compaction takes a tombstone away in the end
        verdict.customers_differing += 1
        difference = 0
        if key[:1] != b"\0":
            difference = purchases(should) - purchases(does)
            verdict.lost += max(0, difference)
            verdict.counted_twice += max(0, -difference)
        verdict.note(
            f"row {key!r}: {_described(does)} instead of {_described(should)}, {-difference:+d} purchases"
        )


def _compare_outputs(
    wanted: Outcome, found: Mapping[bytes, Sequence[Event]], verdict: Verdict, *, exactly_once: bool
) -> None:
    letters = ((identity, [letter]) for identity, letter in wanted.letters.items())
    for identity, caused in chain(wanted.outputs.items(), letters):
        events, copies = _once(caused, wanted.erased), Counter(found.get(identity, ()))
        for event, times in events.items():
            missing = max(0, (times if exactly_once else 1) - copies[event])
            verdict.outputs_missing += missing
            if missing:
                verdict.note(f"missing {identity.decode()} in {event.topic}, key {event.key!r}")
        allowed = sum(
            min(times, copies[event]) if exactly_once else copies[event] for event, times in events.items()
        )
        repeated = copies.total() - allowed
        if repeated:
            verdict.outputs_repeated += repeated
            verdict.note(
                f"{copies.total()} copies, {len(copies)} different, of {identity.decode()} in "
                f"{next(iter(events)).topic}"
            )
    for identity, said in found.items():
        if identity not in wanted.outputs and identity not in wanted.letters:
            verdict.outputs_repeated += len(said)
            verdict.note(f"nothing should have said {identity.decode()} in {said[0].topic}")


def _once(events: Sequence[Event], erased: Collection[bytes]) -> Counter[Event]:
    """How often an event may be there: once, and with one content, unless its customer was erased.

    Nothing tells a purchase that comes again after that from a new one: it starts anew, and so does all that
    it causes, with the ids that it had before.
    """
    return Counter(events if events[0].key in erased else events[:1])


def _compare_logs(
    wanted: Sequence[Outcome], written: Written, verdict: Verdict, *, exactly_once: bool
) -> None:
    log, sent_on = Counter[Place](), Counter[Place]()
    for outcome in wanted:
        log.update(outcome.log)
        sent_on.update(outcome.sent_on)
    for place in (log.keys() | written.copies.keys() | sent_on.keys()) - written.in_doubt:
        beyond = log[place] - written.copies.get(place, 0) - sent_on[place]
        if beyond < 0:
            verdict.lost -= beyond
            verdict.note(f"{-beyond} copies of event {place[1]:016x} are not in partition {place[0]}")
        elif beyond and (exactly_once or not sent_on[place]):
            verdict.outputs_repeated += beyond
            verdict.note(f"{beyond} copies too many of event {place[1]:016x} in partition {place[0]}")


def purchases(row: bytes | None) -> int:
    """How many purchases a customer's row has counted; none where there is no row."""
    if row is None or len(row) < _PURCHASES_AT + _PURCHASES.size:
        return 0
    return int(_PURCHASES.unpack_from(row, _PURCHASES_AT)[0])


def event_of(
    topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
) -> Event:
    """An output as it is compared."""
    content = blake2b(b"-" if value is None else b"+" + value, digest_size=16)
    content.update(repr(list(headers)).encode())
    return Event(sys.intern(topic), None if key is None else _KEYS.setdefault(key, key), content.digest())


def id_of(headers: Iterable[tuple[str, bytes]]) -> bytes:
    """The `ce_id` of an output."""
    return next(content for name, content in headers if name == "ce_id")


def _described(row: bytes | None) -> str:
    if row is None:
        return "nothing"
    version, offset, boundary, _ = struct.unpack_from("<Hqii", row)
    said = f"version {version}, offset {offset}, boundary {boundary}, {purchases(row)} purchases"
    return f"{len(row)} bytes ({said})"


class _Quick(SystemClock):
    """A clock on which no two moments lie within a minute: the replay isolates without a limit."""

    def __init__(self) -> None:
        self._minutes = 0

    def elapsed(self) -> float:
        """Two minutes later every time."""
        self._minutes += 2
        return self._minutes * 60.0


def _unlimited() -> PoisonIsolator:
    return PoisonIsolator(_Quick())
