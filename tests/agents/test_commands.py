"""Commands of operators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agents.commands import respond

if TYPE_CHECKING:
    from streams.engine.partitions import Partitions


class Told:
    """Stands for the partitions service."""

    def __init__(self) -> None:
        self.paused: bool | None = None
        self.owned = {1: object(), 0: object()}
        self.house = self

    def hold(self, paused: bool) -> None:  # noqa: FBT001 - as the service's
        """Remember it."""
        self.paused = paused

    def describe(self, customer: bytes) -> dict[str, object] | None:
        """Know one customer."""
        return {"events": 3} if customer == "Zoë".encode() else None

    def report(self) -> dict[str, object]:
        """Some counters."""
        return {"applied": 7}


def tell(told: Any, command: object) -> Any:
    partitions: Partitions = told
    return respond(partitions, json.dumps(command).encode())


def test_pause_and_resume_are_obeyed_and_not_answered() -> None:
    told = Told()
    assert tell(told, {"command": "pause"}) is None
    assert told.paused is True
    assert tell(told, {"command": "resume"}) is None
    assert told.paused is False


def test_a_customers_state_is_answered_by_the_worker_that_knows_it_alone() -> None:
    answer = tell(Told(), {"command": "state", "customer_id": "Zoë"})
    assert answer == {"answer": "state", "customer_id": "Zoë", "state": {"events": 3}}
    assert tell(Told(), {"command": "state", "customer_id": "Adam"}) is None


def test_counts_are_answered_with_the_partitions_they_are_of() -> None:
    assert tell(Told(), {"command": "counts"}) == {
        "answer": "counts",
        "partitions": [0, 1],
        "counts": {"applied": 7},
    }


@pytest.mark.parametrize(
    "command", [b"\xff", b"{", b"[]", b"7", b'{"command": "dance"}', b'{"command": ["pause"]}']
)
def test_what_is_no_command_is_reported_and_left_alone(
    command: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    told: Any = Told()
    assert respond(told, command) is None
    assert told.paused is None
    assert "no command" in caplog.text


def test_answers_of_other_workers_are_passed_over_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    assert tell(Told(), {"answer": "counts", "counts": {}}) is None
    assert not caplog.text
