"""The oracle counts what is wrong: it must not pass by being blind."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.memory.rows import CLOCK_KEY, is_erased, seal, unseal
from models.records.partitioner import partition_of
from models.state.columns import HEAD
from models.state.customer_rows import HEAD_AT
from streams.changelog.recovery import digest
from streams.settings.settings import Settings
from tests.support.ledgers.logs import basket, erase, tick
from tests.verification.proof.oracle import (
    Found,
    Outcome,
    Replay,
    Verdict,
    Written,
    compare,
    event_of,
    purchases,
)
from tests.verification.proof.plan import Plan
from tests.verification.proof.worker import FailingLedger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.verification.proof.plan import Event

SETTINGS = Settings(partitions=2, application="proof")


def records(events: list[Event], partition: int) -> list[Any]:
    """A partition of the log as a consumer has it."""
    mine = [event for event in events if event.partition == partition]
    return _raws([event.value for event in mine], [event.key for event in mine], partition)


def _raws(
    values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None, partition: int = 0
) -> list[Any]:
    return [
        SimpleNamespace(
            topic="purchases",
            partition=partition,
            offset=offset,
            key=key,
            value=value,
            headers=(),
            timestamp=0,
            timestamp_type=0,
        )
        for offset, (key, value) in enumerate(zip(keys or [None] * len(values), values, strict=True))
    ]


def replayed(log: list[list[Any]]) -> list[Outcome]:
    """What a log comes to."""
    outcomes = []
    for partition, raws in enumerate(log):
        ledger = FailingLedger(SETTINGS.ledger, partition=partition, partitions=2)
        replay = Replay(SETTINGS, partition, ledger)
        for start in range(0, len(raws), 500):
            replay.take(raws[start : start + 500])
        outcomes.append(replay.finish())
    return outcomes


class Case:
    """A log with all that is injected, what it comes to, and a broker that holds just that."""

    def __init__(self) -> None:
        events = list(Plan(SETTINGS, seed="a case", events=2_500, days=3))
        log = [records(events, partition) for partition in range(2)]
        written = Counter((raw.partition, digest(raw.value)) for raws in log for raw in raws)
        for raws, stranger in _misrouted(log):
            sent_on = SimpleNamespace(**vars(stranger) | {"partition": raws[-1].partition})
            sent_on.offset = raws[-1].offset + 1
            raws.append(sent_on)
        self.log = log
        self.wanted = replayed(log)
        self.written = Written(written)
        self.found = [Found(dict(outcome.rows)) for outcome in self.wanted]
        for outcome, found in zip(self.wanted, self.found, strict=True):
            for identity, copies in outcome.outputs.items():
                found.copies[identity] = list(copies)
            for identity, letter in outcome.letters.items():
                found.copies[identity] = [letter]

    def verdict(self, found: list[Found] | None = None, *, exactly_once: bool = True) -> Verdict:
        """What the oracle says."""
        return compare(self.wanted, found or self.found, self.written, exactly_once=exactly_once)


def _misrouted(log: list[list[Any]]) -> list[tuple[list[Any], Any]]:
    outcomes = replayed(log)
    found = []
    for partition, outcome in enumerate(outcomes):
        for (home, value), times in outcome.sent_on.items():
            raw = next(raw for raw in log[partition] if digest(raw.value) == value)
            found += [(log[home], raw)] * times
    return found


@pytest.fixture(scope="module")
def whole() -> Case:
    """Nothing is wrong with it."""
    return Case()


@pytest.fixture
def broken(whole: Case) -> list[Found]:
    """What is there, for a test to break."""
    return deepcopy(whole.found)


def customers(found: Found) -> list[bytes]:
    """Those that have bought twice or more."""
    return [key for key, row in found.rows.items() if key[:1] != b"\0" and purchases(row) > 1]


def counted(outcomes: list[Outcome]) -> int:
    """How many purchases all customers' rows hold."""
    rows = [item for outcome in outcomes for item in outcome.rows.items()]
    return sum(purchases(row) for key, row in rows if key[:1] != b"\0")


def with_purchases(row: bytes, beyond: int) -> bytes:
    """A row that has counted some more."""
    body = bytearray(unseal(row))
    head = np.frombuffer(body, HEAD, 1, HEAD_AT)
    head["baskets"] = int(head["baskets"][0]) + beyond
    return seal(bytes(body))


def test_nothing_is_wrong_with_what_the_replay_says(whole: Case) -> None:
    assert whole.verdict() == Verdict()
    assert whole.verdict().clean
    assert sum(len(outcome.outputs) for outcome in whole.wanted) > 50
    assert sum(len(outcome.letters) for outcome in whole.wanted) > 200
    assert sum(outcome.sent_on.total() for outcome in whole.wanted) > 10
    assert counted(whole.wanted) > 1_500


def test_a_row_that_lacks_purchases_has_lost_them(whole: Case, broken: list[Found]) -> None:
    victim = customers(broken[0])[0]
    broken[0].rows[victim] = with_purchases(broken[0].rows[victim], -2)
    verdict = whole.verdict(broken)
    assert (verdict.lost, verdict.counted_twice, verdict.customers_differing) == (2, 0, 1)
    assert not verdict.clean


def test_a_row_with_purchases_too_many_has_counted_them_twice(whole: Case, broken: list[Found]) -> None:
    victim = customers(broken[1])[0]
    broken[1].rows[victim] = with_purchases(broken[1].rows[victim], 3)
    verdict = whole.verdict(broken)
    assert (verdict.lost, verdict.counted_twice, verdict.customers_differing) == (0, 3, 1)


def test_a_customer_who_is_gone_has_lost_every_purchase(whole: Case, broken: list[Found]) -> None:
    victim = customers(broken[0])[0]
    had = purchases(broken[0].rows.pop(victim))
    verdict = whole.verdict(broken)
    assert had > 1
    assert (verdict.lost, verdict.counted_twice, verdict.customers_differing) == (had, 0, 1)


def test_an_erased_customer_may_be_there_as_a_tombstone_or_not_at_all_but_not_as_a_row(
    whole: Case, broken: list[Found]
) -> None:
    victim = next(key for key, row in broken[0].rows.items() if key[:1] != b"\0" and is_erased(row))
    del broken[0].rows[victim]
    assert whole.verdict(broken).clean
    broken[0].rows[victim] = broken[0].rows[customers(broken[0])[0]]
    verdict = whole.verdict(broken)
    assert verdict.counted_twice > 1
    assert verdict.customers_differing == 1


def test_a_customer_who_never_was_is_counted_twice(whole: Case, broken: list[Found]) -> None:
    victim = customers(broken[0])[0]
    broken[1].rows[b"somebody"] = broken[0].rows[victim]
    verdict = whole.verdict(broken)
    assert verdict.lost == 0
    assert verdict.counted_twice == purchases(broken[0].rows[victim])
    assert verdict.customers_differing == 1


@pytest.mark.parametrize("key", [None, CLOCK_KEY], ids=["a customer's", "the clock"])
def test_a_row_of_which_one_bit_differs_is_seen(whole: Case, broken: list[Found], key: bytes | None) -> None:
    victim = key or customers(broken[0])[0]
    row = bytearray(broken[0].rows[victim])
    row[-1] ^= 1
    broken[0].rows[victim] = bytes(row)
    verdict = whole.verdict(broken)
    assert (verdict.lost, verdict.counted_twice, verdict.customers_differing) == (0, 0, 1)
    assert not verdict.clean


@pytest.mark.parametrize("exactly_once", [False, True])
def test_an_output_that_is_not_there_is_missing(
    whole: Case, broken: list[Found], *, exactly_once: bool
) -> None:
    output, letter = next(iter(whole.wanted[0].outputs)), next(iter(whole.wanted[1].letters))
    del broken[0].copies[output]
    del broken[1].copies[letter]
    verdict = whole.verdict(broken, exactly_once=exactly_once)
    assert (verdict.outputs_missing, verdict.outputs_repeated) == (2, 0)
    assert not verdict.clean


@pytest.mark.parametrize("kind", ["outputs", "letters"])
def test_an_equal_copy_is_a_repeat_only_where_delivery_is_exactly_once(
    whole: Case, broken: list[Found], kind: str
) -> None:
    copies = broken[0].copies[next(iter(getattr(whole.wanted[0], kind)))]
    copies *= 3
    assert whole.verdict(broken, exactly_once=True).outputs_repeated == 2
    assert whole.verdict(broken, exactly_once=False).clean


@pytest.mark.parametrize("change", [{"topic": "x"}, {"key": b"x"}, {"key": None}, {"content": b"x"}])
def test_a_copy_that_differs_is_a_repeat_under_both_guarantees(
    whole: Case, broken: list[Found], change: dict[str, Any]
) -> None:
    copies = broken[0].copies[next(iter(whole.wanted[0].outputs))]
    copies.append(copies[0]._replace(**change))
    for exactly_once in (False, True):
        verdict = whole.verdict(broken, exactly_once=exactly_once)
        assert (verdict.outputs_missing, verdict.outputs_repeated) == (0, 1)


def test_an_erased_customers_purchase_that_comes_again_causes_what_it_did_as_often_as_it_comes() -> None:
    milk = ("MILK", "m", 1.0, 2.0)
    here = (str(number) for number in range(100) if not partition_of(b"%d" % number, 2, "murmur2"))
    who, other = next(here), next(here)
    mine, others = basket("mine", who, 0.5, milk), basket("other", other, 0.5, milk)
    again = [tick(-1), mine, others, erase(who, 0.6), mine, others]
    raws = _raws(again)
    (outcome, _) = replayed([raws, []])
    repeated = {identity for identity, events in outcome.outputs.items() if len(events) == 2}
    assert len(repeated) == 1, "the recommendation to the one who was erased"
    written = Written(Counter((0, digest(value)) for value in again))
    for copies, exactly_once, verdict in (
        (2, True, (0, 0)),
        (1, True, (1, 0)),
        (3, True, (0, 1)),
        (1, False, (0, 0)),
        (3, False, (0, 0)),
    ):
        found = Found(dict(outcome.rows))
        for identity, events in outcome.outputs.items():
            found.copies[identity] = events[:1] * (copies if identity in repeated else 1)
        said = compare([outcome], [found], written, exactly_once=exactly_once)
        assert (said.outputs_missing, said.outputs_repeated) == verdict
        assert said.lost == said.counted_twice == said.customers_differing == 0


def test_an_event_that_comes_twice_out_of_the_replay_itself_is_a_repeat(whole: Case) -> None:
    outcomes, found = deepcopy(whole.wanted), deepcopy(whole.found)
    identity, events = next(
        (identity, events)
        for identity, events in outcomes[0].outputs.items()
        if events[0].key not in outcomes[0].erased
    )
    events.append(events[0])
    found[0].copies[identity] *= 2
    assert compare(outcomes, found, whole.written, exactly_once=True).outputs_repeated == 1


def test_events_are_equal_only_if_topic_key_value_and_headers_are() -> None:
    event = ("alerts", b"900", b"{}", [("ce_id", b"1"), ("ce_type", b"a")])
    others: list[tuple[Any, ...]] = [
        ("changes", *event[1:]),
        ("alerts", b"90", *event[2:]),
        ("alerts", b"900", b"{} ", event[3]),
        ("alerts", b"900", None, event[3]),
        ("alerts", b"900", b"{}", [("ce_id", b"1")]),
        ("alerts", b"900", b"{}", [("ce_id", b"1"), ("ce_type", b"b")]),
        ("alerts", b"900", b"{}", [("ce_type", b"a"), ("ce_id", b"1")]),
    ]
    assert event_of(*event) == event_of(*event)
    assert all(event_of(*event) != event_of(*other) for other in others)


def test_an_output_that_is_there_but_differs_is_missing_and_a_repeat(
    whole: Case, broken: list[Found]
) -> None:
    copies = broken[0].copies[next(iter(whole.wanted[0].outputs))]
    copies[0] = copies[0]._replace(content=b"another")
    verdict = whole.verdict(broken, exactly_once=False)
    assert (verdict.outputs_missing, verdict.outputs_repeated) == (1, 1)


def test_an_output_that_nothing_should_have_said_is_counted(whole: Case, broken: list[Found]) -> None:
    broken[0].copies[b"0" * 32] = broken[0].copies[next(iter(whole.wanted[0].outputs))]
    assert whole.verdict(broken, exactly_once=False).outputs_repeated == 1


def test_an_output_in_another_partition_than_its_customers_is_seen(whole: Case, broken: list[Found]) -> None:
    identity = next(iter(whole.wanted[0].outputs))
    broken[1].copies[identity] = broken[0].copies.pop(identity)
    verdict = whole.verdict(broken, exactly_once=False)
    assert (verdict.outputs_missing, verdict.outputs_repeated) == (1, 1)


def test_a_stranger_who_was_not_sent_on_is_lost(whole: Case) -> None:
    log = [raws[:] for raws in whole.log]
    log[0].pop()  # the last ones are those that were sent on
    case = replayed(log)
    found = deepcopy(whole.found)
    assert compare(case, found, whole.written, exactly_once=True).lost > 0


def test_a_stranger_who_was_sent_on_twice_is_a_repeat_where_delivery_is_exactly_once(whole: Case) -> None:
    outcomes = deepcopy(whole.wanted)
    place = next(iter(outcomes[0].sent_on))
    outcomes[place[0]].log[place] += 1
    assert compare(outcomes, whole.found, whole.written, exactly_once=True).outputs_repeated == 1
    assert compare(outcomes, whole.found, whole.written, exactly_once=False).clean


def test_an_acknowledged_event_that_the_log_does_not_hold_is_lost(whole: Case) -> None:
    place = (0, 4_711)
    written = Written(dict(whole.written.copies) | {place: 1})
    assert compare(whole.wanted, whole.found, written, exactly_once=True).lost == 1
    doubted = Written({}, frozenset({place}))
    assert compare(whole.wanted, whole.found, doubted, exactly_once=True).lost == 0


def test_a_log_that_ends_early_for_the_workers_has_lost_the_rest(whole: Case) -> None:
    short = replayed([raws[: len(raws) // 2] for raws in whole.log])
    found = [Found(dict(outcome.rows)) for outcome in short]
    for outcome, each in zip(short, found, strict=True):
        for identity, copies in outcome.outputs.items():
            each.copies[identity] = list(copies)
        each.copies.update({identity: [letter] for identity, letter in outcome.letters.items()})
    verdict = whole.verdict(found, exactly_once=False)
    missing = counted(whole.wanted) - counted(short)
    assert verdict.lost - verdict.counted_twice == missing
    assert verdict.counted_twice < missing / 100  # of those who are erased in the other half
    assert verdict.outputs_missing > 100


def test_a_replay_that_goes_on_comes_to_the_same(whole: Case) -> None:
    for partition, raws in enumerate(whole.log):
        ledger = FailingLedger(SETTINGS.ledger, partition=partition, partitions=2)
        replay, chance = Replay(SETTINGS, partition, ledger), random.Random(3)
        at = 0
        while at < len(raws):
            step = chance.randrange(1, 300)
            replay.take(raws[at : at + step])
            replay.finish()
            at += step
        assert replay.outcome == whole.wanted[partition]
