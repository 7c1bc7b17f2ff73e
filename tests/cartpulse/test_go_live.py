"""The live record: for every partition, at a moment of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec

from cartpulse.go_live import live


def test_the_live_record_is_for_every_partition_and_carries_its_moment_in_utc() -> None:
    record = live(datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=2))))
    assert record.key is None
    assert msgspec.json.decode(record.value) == {
        "kind": "live",
        "event_id": "live:2026-03-01T10:00:00+00:00",
        "occurred_at": "2026-03-01T10:00:00Z",
    }
    assert record.occurred_at == datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp() * 1000
