"""Batches written from blocks are byte for byte those of aiokafka's builder, filled event by event."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from models.contracts.event_block import EventBlock, Outputs
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from streams.delivery.event_batches import event_batches
from streams.delivery.queue import Events, Send, record_batches
from streams.kafka.record_batch import varint
from tests.models.ledger.test_ledger import a_log
from tests.support.kafka import raw_batches
from tests.support.ledgers.logs import records_of

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0, holdout_share=0.2
)
TARGET: Any = ("topic", 0)
MOST = 1 << 40


def by_aiokafka(
    outputs: Any, *, transactional: bool = False, producer: tuple[int, int, int] | None = None
) -> bytes:
    """One batch, filled record by record."""
    builder = BatchBuilder(1 << 28, 0, is_transactional=int(transactional))
    for output in outputs:
        builder.append(
            timestamp=output.timestamp, key=output.key, value=output.value, headers=list(output.headers)
        )
    if producer is not None:
        builder._set_producer_state(*producer)
    return bytes(builder._build())


def blocks_of_a_log() -> list[EventBlock]:
    """All that a made-up log gives: every kind, held-out customers, names that are not ASCII."""
    ledger, records = Ledger(SETTINGS), records_of(a_log(3, days=45), SETTINGS)
    blocks, at = list[EventBlock](), 0
    while at < len(records) or ledger.sweeping:
        changes = ledger.sweep() if ledger.sweeping else ledger.advance(records.slice(at, len(records)))
        at += changes.applied
        assert isinstance(changes.outputs, Outputs)
        blocks += changes.outputs.blocks
    return blocks


@st.composite
def a_block(draw: st.DrawFn) -> EventBlock:
    count = draw(st.integers(1, 5))
    texts = st.binary(max_size=200)
    ascii_texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
    return EventBlock(
        "segment-changes",
        tuple(draw(st.lists(st.tuples(st.text(max_size=20), texts), max_size=4))),
        [draw(texts) for _ in range(count)],
        [draw(texts) for _ in range(count)],
        [draw(ascii_texts) for _ in range(count)],
        [draw(st.integers(946_684_800_000, 4_133_980_799_999)) for _ in range(count)],
    )


@given(blocks=st.lists(a_block(), min_size=1, max_size=4), transactional=st.booleans())
def test_any_blocks_give_the_bytes_of_aiokafka_s_builder(
    *, blocks: list[EventBlock], transactional: bool
) -> None:
    (batch,) = event_batches(blocks, limit=MOST, transactional=transactional)
    wanted = by_aiokafka(Outputs(blocks), transactional=transactional)
    assert batch._build() == wanted
    assert (batch.size(), batch.record_count()) == (len(wanted), len(Outputs(blocks)))


def test_a_producer_s_state_is_in_the_bytes_also_if_it_is_told_again_before_a_retry() -> None:
    block = EventBlock("t", (("a", b"b"),), [b"900"], [b"{}"], ["0" * 32], [1_488_711_600_001])
    (batch,) = event_batches([block], limit=MOST, transactional=True)
    for producer in ((7, 1, 0), (9, 2, 1 << 20)):
        batch._set_producer_state(*producer)
        wanted = by_aiokafka(block, transactional=True, producer=producer)
        assert batch._build() == batch._build() == wanted


def test_every_event_of_a_log_is_in_its_batch_as_it_would_be_by_itself() -> None:
    blocks = blocks_of_a_log()
    assert {block.topic for block in blocks} == {
        "replenishment-alerts", "recommendations", "segment-changes", "exposures"
    }  # fmt: skip
    for block in blocks:
        (batch,) = event_batches([block], limit=MOST, transactional=False)
        assert batch._build() == by_aiokafka(block)


@given(limit=st.integers(1, 3_000), blocks=st.lists(a_block(), min_size=1, max_size=4))
def test_batches_keep_the_order_and_hold_no_more_than_the_limit_unless_one_event_does(
    limit: int, blocks: list[EventBlock]
) -> None:
    batches = list(event_batches(blocks, limit=limit, transactional=False))
    read = [record for batch in batches for record in raw_batches.records(batch._build())]
    assert [(one.timestamp, one.key, one.value, one.headers) for one in read] == [
        (one.timestamp, one.key, one.value, list(one.headers)) for one in Outputs(blocks)
    ]
    for batch in batches:
        assert batch.record_count() == 1 or batch.size() <= limit


def test_blocks_and_single_records_of_one_target_keep_their_order() -> None:
    block = EventBlock("t", (), [b"a", b"b"], [b"1", b"2"], ["x", "y"], [5_000, 6_000])
    sends: list[Send | Events] = [
        Events(TARGET, block),
        Send(TARGET, b"c", b"3", (), 7_000),
        Events(TARGET, block),
    ]
    batches = list(record_batches(lambda: BatchBuilder(1 << 20, 0), sends, 1 << 20))
    read = [record.key for batch in batches for record in raw_batches.records(bytes(batch._build()))]
    assert read == [b"a", b"b", b"c", b"a", b"b"]
    assert all(batch.closed() for batch in batches)


def test_no_event_makes_no_batch_and_a_made_batch_takes_no_record() -> None:
    assert not list(event_batches([], limit=MOST, transactional=False))
    block = EventBlock("t", (), [b"a"], [b"1"], ["x"], [5_000])
    (batch,) = event_batches([block], limit=MOST, transactional=False)
    assert batch.append(timestamp=1, key=b"", value=b"") is None  # type: ignore[func-returns-value]
    batch.close()
    assert batch.record_count() == 1


@pytest.mark.parametrize("number", [0, 1, -1, 63, 64, 8191, 8192, 1 << 31, -(1 << 31), (1 << 62) + 5])
def test_a_number_is_encoded_as_aiokafka_encodes_it(number: int) -> None:
    from aiokafka.record.util import encode_varint  # noqa: PLC0415

    wanted = bytearray()
    encode_varint(number, wanted.append)
    assert varint(number) == bytes(wanted)
