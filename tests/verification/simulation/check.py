"""The oracle: what must be so at every moment, and what must have come out at the end.

It knows the source log and the counting ledger's rule, so it can tell of every single row whether it is
right, and which outputs it stands for.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING

from aiokafka.structs import TopicPartition

from models.memory.rows import CLOCK_KEY, header, own_payload
from tests.verification.simulation.schedule import BROKEN, POISON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streams.settings.settings import Settings
    from tests.verification.simulation.kafka.broker import Broker
    from tests.verification.simulation.kafka.logs import Content

EVERY = 2
"""Events of a customer for which there is an output."""


class Source:
    """One partition of purchases, and what follows from it.

    Args:
        day: offsets of a business day.
    """

    def __init__(self, day: int) -> None:
        self.end = 0
        self.last = -1
        self.events: defaultdict[bytes, list[int]] = defaultdict(list)
        self.refused: dict[int, bytes] = {}
        self._day = day
        self._begins: dict[int, int] = {}

    def add(self, offset: int, value: bytes) -> None:
        """A record."""
        self.last, self.end = offset, offset + 1
        customer = value.split(b" ")[0]
        if customer in (BROKEN.encode(), POISON.encode()):
            self.refused[offset] = value
        else:
            self.events[customer].append(offset)
        if offset >= self._day:
            self._begins.setdefault(offset // self._day, offset)

    def count(self, customer: bytes, offset: int) -> int:
        """Events of a customer up to and with an offset."""
        return bisect_right(self.events[customer], offset)

    def boundary(self) -> int:
        """The last that was passed."""
        return max(self._begins, default=0)

    def outputs(self, customer: bytes, offset: int, boundary: int) -> Iterable[bytes]:
        """What a customer's row of that rank stands for."""
        name = customer.decode()
        for count in range(EVERY, self.count(customer, offset) + 1, EVERY):
            yield f"count {name} {count}".encode()
        for passed, begins in self._begins.items():
            before = bisect_left(self.events[customer], begins)
            if passed <= boundary and before:
                yield f"boundary {passed} {name} {before}".encode()

    def swept(self, finished: int) -> Iterable[bytes]:
        """Customers that a finished boundary has seen."""
        begins = self._begins.get(finished, 0)
        return (customer for customer, offsets in self.events.items() if offsets and offsets[0] < begins)


class Oracle:
    """Watches what becomes visible, and judges it.

    Args:
        broker: the model.
        settings: of the service.
        day: offsets of a business day.
        exactly_once: whether no output may be there twice.
        violated: is told what must not be.
    """

    def __init__(
        self,
        broker: Broker,
        settings: Settings,
        *,
        day: int,
        exactly_once: bool,
        violated: Callable[[str], None],
    ) -> None:
        self._broker, self._settings, self._exactly_once = broker, settings, exactly_once
        self._violated = violated
        self.sources = [Source(day) for _ in range(settings.partitions)]
        self._seen: list[set[bytes]] = [set() for _ in self.sources]
        self._letters: list[set[bytes]] = [set() for _ in self.sources]
        self._rows: list[dict[bytes, tuple[tuple[int, int], bytes]]] = [{} for _ in self.sources]
        broker.watcher = self

    # --- at every moment ------------------------------------------------------------------------------------

    def visible(
        self, contents: Sequence[tuple[TopicPartition, Content]], offsets: Mapping[TopicPartition, int]
    ) -> None:
        """Records and offsets that come to be visible together."""
        settings = self._settings
        rows = []
        for (topic, number), content in contents:
            value = content.value or b""
            if topic == settings.changelog_topic:
                rows.append((number, content.key or b"", value))
            elif topic == settings.dead_letters_topic:
                self._letters[number].add(value)
            elif topic != settings.purchases_topic:
                self._seen[number].add(value)
        for number, key, value in rows:
            rank = header(value)[1:3]
            known = self._rows[number].get(key)
            if known is None or known[0] < rank:
                self._rows[number][key] = (rank, value)
        for number, key, value in rows:
            if key == CLOCK_KEY:
                self._judge_clock(number, value)
                self._judge_position(number, offsets)
            else:
                self._judge_row(number, key, value)
        if offsets:
            self.committed(offsets)

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The committed offset must not be ahead of the clock row."""
        for (_, number), offset in offsets.items():
            if offset > self.clock(number) + 1:
                self._violated(
                    f"offset {offset} of {number} is committed, the clock row is at {self.clock(number)}"
                )

    def clock(self, number: int) -> int:
        """The greatest clock row that is visible."""
        row = self._rows[number].get(CLOCK_KEY)
        return -1 if row is None else row[0][0]

    def _judge_row(self, number: int, customer: bytes, value: bytes) -> None:
        _, offset, boundary, _ = header(value)
        source = self.sources[number]
        (count,) = struct.unpack("<Q", own_payload(value))
        right = source.count(customer, offset)
        if count != right or offset not in source.events[customer]:
            self._violated(f"row of {customer!r} in {number} at {offset} counts {count}, not {right}")
        for output in source.outputs(customer, offset, boundary):
            if output not in self._seen[number]:
                self._violated(f"row of {customer!r} in {number} at {offset} is ahead of {output!r}")

    def _judge_clock(self, number: int, value: bytes) -> None:
        offset = header(value).offset
        _, _, finished = struct.unpack("<Qii", own_payload(value))
        source, rows = self.sources[number], self._rows[number]
        nothing = ((-1, 0), b"")
        for customer, offsets in source.events.items():
            passed = bisect_right(offsets, offset)
            if passed and rows.get(customer, nothing)[0][0] < offsets[passed - 1]:
                self._violated(f"the clock row of {number} is at {offset}, without the row of {customer!r}")
        for customer in source.swept(finished):
            if rows.get(customer, nothing)[0][1] < finished:
                self._violated(f"boundary {finished} of {number} is finished without {customer!r}")
        for refused, raw in source.refused.items():
            if refused <= offset and raw not in self._letters[number]:
                self._violated(f"the clock row of {number} is ahead of dead letter {raw!r}")

    def _judge_position(self, number: int, offsets: Mapping[TopicPartition, int]) -> None:
        """Of a transaction, the position is a part."""
        if self._exactly_once and offsets.get(self._source(number)) != self.clock(number) + 1:
            self._violated(f"rows of {number} are visible without their position: {dict(offsets)}")

    # --- at the end -----------------------------------------------------------------------------------------

    def settled(self) -> bool:
        """Whether all is applied, swept and committed, and no transaction is open."""
        if any(log.stable < log.end for log in self._broker.logs.values()):
            return False
        for number, source in enumerate(self.sources):
            row = self._rows[number].get(CLOCK_KEY)
            if source.last < 0:
                continue
            if row is None or row[0] != (source.last, source.boundary()):
                return False
            if self._broker.group.committed.get(self._source(number), 0) <= source.last:
                return False
        return True

    def stale(self, number: int) -> bool:
        """Whether the last row of some key in the changelog is not its greatest: compaction would keep it."""
        greatest: dict[bytes, tuple[int, int]] = {}
        last: dict[bytes, tuple[int, int]] = {}
        for record in self._broker.log(TopicPartition(self._settings.changelog_topic, number)).visible():
            key = record.key or b""
            last[key] = header(record.value or b"")[1:3]
            greatest[key] = max(greatest.get(key, (-1, -1)), last[key])
        return greatest != last

    def judge(self) -> None:
        """Compare the logs with the replay of the source."""
        settings, broker = self._settings, self._broker
        for number, source in enumerate(self.sources):
            changelog = broker.log(TopicPartition(settings.changelog_topic, number)).visible()
            greatest: dict[bytes, tuple[tuple[int, int], bytes]] = {}
            for record in changelog:
                key, value = record.key or b"", record.value or b""
                rank = header(value)[1:3]
                if key not in greatest or greatest[key][0] < rank:
                    greatest[key] = (rank, value)
            boundary = source.boundary()
            expected = {customer for customer, offsets in source.events.items() if offsets}
            if {key for key in greatest if key != CLOCK_KEY} != expected:
                self._violated(f"rows of {number}: {sorted(greatest)} instead of {sorted(expected)}")
                continue
            wanted: set[bytes] = set()
            for customer in sorted(expected):
                rank, value = greatest[customer]
                (count,) = struct.unpack("<Q", own_payload(value))
                last = source.events[customer][-1]
                if count != len(source.events[customer]) or rank[0] != last:
                    self._violated(f"row of {customer!r} in {number} counts {count} at {rank}")
                wanted.update(source.outputs(customer, last, boundary))
            self._judge_outputs(TopicPartition(settings.topic("segment-changes"), number), wanted)
            letters = TopicPartition(settings.dead_letters_topic, number)
            self._judge_outputs(letters, set(source.refused.values()))

    def _judge_outputs(self, partition: TopicPartition, wanted: set[bytes]) -> None:
        copies: dict[bytes, tuple[object, ...]] = {}
        for record in self._broker.log(partition).visible():
            value = record.value or b""
            if value in copies:
                if self._exactly_once:
                    self._violated(f"{partition} holds {value!r} twice")
                if copies[value] != (record.key, record.headers):
                    self._violated(f"{partition} holds two different copies of {value!r}")
            copies[value] = (record.key, record.headers)
        missing, strange = wanted - set(copies), set(copies) - wanted
        if missing or strange:
            self._violated(f"{partition}: missing {sorted(missing)}, unexpected {sorted(strange)}")

    def _source(self, number: int) -> TopicPartition:
        return TopicPartition(self._settings.purchases_topic, number)
