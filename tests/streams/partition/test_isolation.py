"""Isolation by halves."""

from __future__ import annotations

import pytest

from models.records.columns import Kind
from streams.errors import BoundaryError, EngineError
from streams.partition.isolation import PER_MINUTE, PoisonIsolator
from tests.support.kafka.fake_kafka import FakeClock
from tests.support.ledgers.runs import run_of

ERROR = ValueError("the model divides by zero")


def test_a_run_that_fails_is_cut_into_halves() -> None:
    halves = PoisonIsolator(FakeClock()).split(run_of(["a", "b", "c"]), ERROR)
    assert [half.records.customers for half in halves] == [[b"a"], [b"b", b"c"]]


def test_a_record_that_stands_alone_is_refused_at_stage_apply_and_its_offset_counts() -> None:
    (run,) = PoisonIsolator(FakeClock()).split(run_of(["a"], start=5), ERROR)
    (refusal,) = run.refusals
    assert (refusal.offset, refusal.stage, refusal.error) == (5, "apply", "ValueError")
    assert "divides by zero" in refusal.reason
    assert run.records.kinds.tolist() == [Kind.REFUSED]
    assert run.records.offsets.tolist() == [5]


def test_more_than_a_hundred_a_minute_are_our_fault() -> None:
    clock = FakeClock()
    isolation = PoisonIsolator(clock)
    for _ in range(PER_MINUTE):
        isolation.split(run_of(["a"]), ERROR)
        clock.at += 0.5
    with pytest.raises(EngineError, match="fault of Cartpulse"):
        isolation.split(run_of(["a"]), ERROR)


def test_a_hundred_a_minute_may_go_on_for_ever() -> None:
    clock = FakeClock()
    isolation = PoisonIsolator(clock)
    for _ in range(3 * PER_MINUTE):
        isolation.split(run_of(["a"]), ERROR)
        clock.at += 0.61


def test_a_ledger_that_does_not_even_take_an_offset_is_at_fault_itself() -> None:
    isolation = PoisonIsolator(FakeClock())
    (refused,) = isolation.split(run_of(["a"]), ERROR)
    with pytest.raises(EngineError, match="takes no offset"):
        isolation.split(refused, ERROR)


def test_a_customer_whom_a_boundary_passes_over_is_named(caplog: pytest.LogCaptureFixture) -> None:
    PoisonIsolator(FakeClock()).passed_over(b"900", ERROR)
    assert "customer '900' at a day boundary" in caplog.text


def test_more_than_a_hundred_customers_a_minute_are_our_fault() -> None:
    isolation = PoisonIsolator(FakeClock())
    for _ in range(PER_MINUTE):
        isolation.passed_over(b"900", ERROR)
    with pytest.raises(BoundaryError, match="on customer '901'"):
        isolation.passed_over(b"901", ERROR)
