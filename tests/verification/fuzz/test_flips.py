"""A few thousand flipped batches through the decoder; `make prove-logs` takes a hundred thousand."""

from __future__ import annotations

import pytest

from tests.verification.fuzz.flips import Tally, run


@pytest.mark.parametrize("seed", range(4))
def test_no_flipped_batch_is_passed_over_or_taken_for_another(seed: int) -> None:
    tally = Tally()
    run(1_000, seed, tally)
    assert tally.faults == []
    assert tally.outcomes["flipped: put by"] > 300
    assert tally.outcomes["flipped: lost and named"] > 5
    assert tally.outcomes["and sealed: read"] > 50
