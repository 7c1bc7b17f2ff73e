"""The live record: for every partition, at a moment of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from typer.testing import CliRunner

from cartpulse.main import app
from streams.operations.go_live import live_record


def test_the_live_record_is_for_every_partition_and_carries_its_moment_in_utc() -> None:
    record = live_record(datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=2))))
    assert record.key is None
    assert msgspec.json.decode(record.value) == {
        "kind": "live",
        "event_id": "live:2026-03-01T10:00:00Z",
        "occurred_at": "2026-03-01T10:00:00Z",
    }
    assert record.occurred_at == datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp() * 1000


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("tomorrow", "no time with an offset"),
        ("2017-10-01T00:00:00", "no time with an offset"),
        ("1999-12-31T23:59:59Z", "years 2000 to 2100"),
        ("2100-12-31T23:59:59-01:00", "years 2000 to 2100"),
        ("0001-01-01T00:00:00+14:00", "years 2000 to 2100"),
    ],
)
def test_a_moment_that_no_event_can_have_is_refused_before_anything_is_written(at: str, said: str) -> None:
    result = CliRunner().invoke(app, ["go-live", "--at", at, "--broker", "127.0.0.1:1"])
    assert result.exit_code == 1
    assert said in result.stderr
