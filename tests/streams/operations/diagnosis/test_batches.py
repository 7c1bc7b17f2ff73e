"""What the doctor says of batches that this machine cannot decode."""

from __future__ import annotations

import pytest
from aiokafka.structs import TopicPartition

from streams.errors import CodecMissingError
from streams.kafka.log import batches
from streams.operations.diagnosis.batches import without_codec
from streams.operations.diagnosis.findings import Level
from tests.support.kafka import raw_batches


def test_a_codec_that_is_missing_here_is_a_fault_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "missing", lambda codec: "zstd" if codec else "")
    data = raw_batches.batch(7, [b"value"], codec=raw_batches.CODECS["zstd"])
    ((batch,), _) = batches.split(data)
    with pytest.raises(CodecMissingError) as raised:
        batches.records_of(batch, TopicPartition("purchases", 0))
    finding = without_codec(raised.value)
    assert finding.level is Level.FAULT
    assert finding.said == (
        "purchases[0] holds a batch compressed with zstd at offset 7, "
        "and the library for it is not installed."
    )
    assert finding.remedy == "Install it here, too: `pip install cramjam`. Nothing is lost."
    assert "start the worker again" in str(raised.value)
