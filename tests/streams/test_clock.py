"""The machine's clocks."""

from __future__ import annotations

import time

from streams.clock import SystemClock
from tests.support.paths import ROOT

STREAMS = ROOT / "streams"
OTHERS = {"apache_kafka.py", "broker.py", "kafka_node.py", "topics.py", "sources"}
"""What waits for a broker, or measures how fast a replay goes, and decides nothing by the date."""


def test_wall_time_is_in_milliseconds_since_1970() -> None:
    assert abs(SystemClock().now_ms() - time.time() * 1_000) < 1_000


def test_elapsed_time_goes_on() -> None:
    clock = SystemClock()
    before = clock.elapsed()
    assert clock.elapsed() >= before


def test_no_other_part_of_the_engine_reads_a_clock() -> None:
    readers = {
        path.name
        for path in STREAMS.glob("*.py")
        if path.name not in OTHERS and ("import time" in (text := path.read_text()) or "datetime.now" in text)
    }
    assert readers == {"clock.py"}
