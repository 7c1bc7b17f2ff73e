"""Ring of recent events: the events that are new, known, edited or too old, as a plain list would say."""

from __future__ import annotations

import doctest
from typing import Any, NamedTuple

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from models.state import ring
from models.state.columns import CUSTOMER, NO_EVENT, RING
from models.state.ring import Ring, Verdict


class Event(NamedTuple):
    """What a ring remembers of an event."""

    at: int
    identity: int
    content: int


EVENTS = st.lists(
    st.builds(Event, st.integers(1_000, 1_002), st.integers(0, 40), st.integers(0, 1)), max_size=2 * RING
)
LATER = [Event(2_000 + number, 100 + number, 0) for number in range(RING - 1)]
"""One event less than a ring holds."""


class Remembered:
    """A ring as a list of the greatest (time, id), with the rule for every verdict written out."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def enter(self, event: Event) -> Verdict:
        """Decide on an event, and remember it if it is new."""
        namesakes = [known for known in self.events if known.identity == event.identity]
        for known in namesakes:
            if known.at == event.at:
                return Verdict.DUPLICATE if known.content == event.content else Verdict.CHANGED
        if namesakes:
            return Verdict.REUSED_ID
        if len(self.events) == RING and event[:2] < self.events[0][:2]:
            return Verdict.TOO_OLD
        self.events = sorted([*self.events, event])[-RING:]
        return Verdict.NEW


def rings(customers: int) -> Any:
    """Customers without events."""
    empty = np.zeros(customers, CUSTOMER)
    empty["ring_at"] = NO_EVENT
    return empty


def entered(customers: Any, rows: list[int], events: list[Event]) -> list[Verdict]:
    """Enter an event of each of some customers at once."""
    at, identities, contents = zip(*events, strict=True)
    verdicts = Ring(customers).enter(
        np.array(rows), np.array(at), np.array(identities, np.uint64), np.array(contents, np.uint32)
    )
    return [Verdict(verdict) for verdict in verdicts.tolist()]


def held(customer: Any) -> list[Event]:
    """All that a ring remembers, in order."""
    places = zip(*(customer[name].tolist() for name in ("ring_at", "ring_hash", "ring_content")), strict=True)
    return sorted(Event(*place) for place in places if place[0] != NO_EVENT)


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(ring).failed == 0


@given(first=EVENTS, second=EVENTS)
@example(first=[Event(1_000, 0, 0)], second=[Event(1_000, 0, 0), Event(1_000, 0, 1), Event(1_001, 0, 0)])
@example(first=[Event(1_000, 7, 0), *LATER, Event(1_000, 6, 0)], second=[])
@example(first=[Event(1_000, 7, 0), *LATER, Event(1_000, 8, 1)], second=[*LATER, Event(1_000, 7, 0)])
@example(first=[Event(1_000, 7, 0), *LATER, Event(999, 8, 0), Event(1_001, 6, 0)], second=[])
def test_two_customers_rings_decide_as_two_lists_do(first: list[Event], second: list[Event]) -> None:
    customers, lists = rings(3), (Remembered(), Remembered())
    for turn in range(max(len(first), len(second))):
        now = [(row, log[turn]) for row, log in ((2, first), (0, second)) if turn < len(log)]
        wanted = [lists[row == 0].enter(event) for row, event in now]
        assert entered(customers, [row for row, _ in now], [event for _, event in now]) == wanted
    assert held(customers[2]) == lists[0].events
    assert held(customers[0]) == lists[1].events
    assert held(customers[1]) == []


def test_at_the_least_event_s_own_millisecond_the_hash_decides() -> None:
    for identity, verdict in ((6, Verdict.TOO_OLD), (8, Verdict.NEW)):
        customers = rings(1)
        for event in (Event(1_000, 7, 0), *LATER):
            assert entered(customers, [0], [event]) == [Verdict.NEW]
        assert entered(customers, [0], [Event(1_000, identity, 0)]) == [verdict]


def test_any_hash_is_known_again_the_greatest_included() -> None:
    customers = rings(1)
    greatest = Event(1_000, 2**64 - 1, 2**32 - 1)
    assert entered(customers, [0], [greatest]) == [Verdict.NEW]
    for event in LATER:
        assert entered(customers, [0], [event]) == [Verdict.NEW]
    assert entered(customers, [0], [greatest]) == [Verdict.DUPLICATE]
    assert entered(customers, [0], [Event(3_000, 5, 0)]) == [Verdict.NEW]
    assert held(customers[0]) == [*LATER, Event(3_000, 5, 0)]
