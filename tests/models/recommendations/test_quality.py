"""Recommendations of weeks 31 to 40 against counts decayed .97 per trip: at least as good, at both levels.

A tenth of the households, by hash, so that it takes seconds; `make quality ARGS=C` takes them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import pytest

from tests.support.ledgers.next_trip import compare

if TYPE_CHECKING:
    from streams.sources.complete_journey import Level


@pytest.mark.parametrize("level", ["category", "product_type"])
def test_recall_ndcg_and_hit_share_at_ten_are_those_of_decayed_counts_or_better(level: Level) -> None:
    found = compare(
        level, keeps=lambda household: not crc32(b"%d" % household) % 10, first_week=31, last_week=40
    )
    assert found.trips > 2_000
    assert found.ledger.recall >= found.decayed.recall > found.popular.recall
    assert found.ledger.ndcg >= found.decayed.ndcg > found.popular.ndcg
    assert found.ledger.hit_share >= found.decayed.hit_share > found.popular.hit_share
    assert found.discovered > 0.01
