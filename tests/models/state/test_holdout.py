"""Who is held out, and where the outputs of these customers go."""

from __future__ import annotations

import pytest

from models.settings import LedgerSettings
from models.state.holdout import held_out
from tests.support.ledgers.logs import basket, replay_of, tick

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)
CROWD = [str(number).encode() for number in range(20_000)]


def drawn(share: float, salt: str = "") -> set[bytes]:
    return {customer for customer in CROWD if held_out(customer, share, salt)}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5])
def test_as_many_are_held_out_as_the_share_says(share: float) -> None:
    assert len(drawn(share)) / len(CROWD) == pytest.approx(share, abs=0.01)


def test_a_larger_share_keeps_those_who_were_held_out() -> None:
    assert drawn(0.05) < drawn(0.1) < drawn(0.5)


def test_another_salt_draws_others() -> None:
    both = drawn(0.1) & drawn(0.1, "autumn")
    assert len(both) / len(CROWD) == pytest.approx(0.01, abs=0.005)


def test_all_outputs_of_one_held_out_go_to_exposures_as_they_would_have_gone_to_their_own_topics() -> None:
    log = [tick(-1)]
    for day in range(40):
        log += [
            basket(f"{day}-{number}", str(number), day + 0.5, ("MILK", "p1", 1.0, 1.0))
            for number in range(12)
            if day % (2 + number % 4) == 0
        ]
        log.append(tick(day))
    settings = LedgerSettings(**{**SETTINGS.model_dump(), "holdout_share": 0.5})
    held, whole = replay_of(log, settings), replay_of(log, SETTINGS)
    out = {output.key for output in whole.outputs if held_out(output.key, 0.5, "")}
    assert out
    assert {output.key for output in whole.outputs} - out
    assert {output.key for output in held.outputs if output.topic == "exposures"} == out
    assert [output._replace(topic="") for output in held.outputs] == [
        output._replace(topic="") for output in whole.outputs
    ]
    assert held.counts["exposures"] == sum(output.key in out for output in whole.outputs)
    assert held.rows.keys() == whole.rows.keys()
    types = {dict(output.headers)["ce_type"] for output in whole.outputs}
    assert b"io.cartpulse.alert-closing.v1" in types
    assert {dict(event.headers)["ce_type"] for event in held.outputs if event.topic == "exposures"} == types
