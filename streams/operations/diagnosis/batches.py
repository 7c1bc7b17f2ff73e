"""Findings of `cartpulse doctor` about record batches that cannot be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition

from models.contracts.events import DeadLetter
from streams.delivery.dead_letters import BATCH
from streams.errors import CodecMissingError
from streams.kafka.log.batches import BrokenBatch
from streams.kafka.log.ends import log_ends
from streams.kafka.log.fetch import RawLog
from streams.kafka.log.salvage import Salvage
from streams.kafka.log.walk import unreadable
from streams.operations.diagnosis.findings import Finding, Level

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from streams.kafka.log.ends import LogEnd
    from streams.operations.diagnosis.logs import Logs
    from streams.settings.settings import Settings

PASSES: Final = 8
"""Reads of each partition, from the next record to be applied on. A read is a mebibyte or some thousand
records; eight of them are a look, and not the work of a second worker."""

LETTERS: Final = 500
"""Dead letters examined in each partition."""


async def batch_findings(settings: Settings, logs: Logs, *, holes: bool) -> list[Finding]:
    """Report batches that cannot be decoded.

    These are looked for among the next purchases and the changelog's last rows. Batches that workers have
    already put by as dead letters are reported too.

    Args:
        settings: Service settings.
        logs: Ends of the purchases and of the changelog.
        holes: True if the broker's logs may have offsets that hold no record (`Connections.holes`).

    Raises:
        KafkaError: The login may not read one of the topics, for instance.
        BrokerUnreachableError: No broker answers.
    """
    found: list[Finding] = []
    raw = RawLog(settings)
    try:
        for number, end in logs.purchases.items():
            start = end.start if holes else 0
            due = logs.clocks[number].offset + 1 if number in logs.clocks else start
            if start <= due:
                place = TopicPartition(settings.purchases_topic, number)
                found += [finding async for finding in _ahead(Salvage(raw), place, due)]
    finally:
        await raw.close()
    found += _changelog(settings, logs)
    try:
        found += _put_by(await log_ends(settings, settings.dead_letters_topic, LETTERS))
    except TopicAuthorizationFailedError:
        said = "This login may not read the dead letters: whether batches are among them is not known."
        found.append(Finding("batches", Level.NOTE, said))
    return found or [Finding("batches", Level.OK, "Every record batch that was looked at can be decoded.")]


def without_codec(reason: CodecMissingError) -> Finding:
    """Report that a library is missing on the machine of whoever asks; the workers may have it."""
    remedy = "Install it here, too: `pip install cramjam`. Nothing is lost."
    return Finding("batches", Level.FAULT, f"{reason.said}.", remedy)


async def _ahead(salvage: Salvage, place: TopicPartition, due: int) -> AsyncIterator[Finding]:
    """Read the records of a partition that a worker would read next, and yield a finding for each fault."""
    for _ in range(PASSES):
        try:
            walked = await salvage.read(place, due)
        except CodecMissingError as reason:
            yield without_codec(reason)
            return
        if walked.lost is not None and not walked.records:
            said = str(unreadable(place, walked.lost))
            remedy = "`cartpulse worker --accept-gap` goes on behind it; without it a worker ends there."
            yield Finding("batches", Level.FAULT, said, remedy)
            return
        if (broken := walked.broken) is not None:
            yield Finding(
                "batches",
                Level.WARNING,
                f"{broken.where}: a batch cannot be decoded: {broken.reason}.",
                "A worker puts it by as one dead letter and goes on; send what it held again.",
            )
        if walked.following == due:
            return
        due = walked.following


def _changelog(settings: Settings, logs: Logs) -> Iterator[Finding]:
    remedy = "Bring the changelog back from a copy, or make the state anew: `cartpulse reset`."
    for number, end in logs.rows.items():
        name = f"{settings.changelog_topic}[{number}]"
        broken = [each for each in end.records if isinstance(each, BrokenBatch)]
        for each in broken[:1]:
            said = f"{each.where}: a batch of the changelog cannot be decoded: {each.reason}."
            yield Finding("batches", Level.FAULT, said, remedy)
        if end.damage:
            yield Finding("batches", Level.FAULT, f"{name}: {end.damage}", remedy)


def _put_by(ends: Mapping[int, LogEnd]) -> Iterator[Finding]:
    letters = 0
    for end in ends.values():
        for record in end.records:
            try:
                letters += DeadLetter.from_headers(record.headers).error == BATCH
            except ValueError:  # such as the marker of a letter that was sent back
                continue
    if letters:
        batches = (
            "1 record batch that could not be decoded is"
            if letters == 1
            else (f"{letters} record batches that could not be decoded are")
        )
        yield Finding(
            "batches",
            Level.WARNING,
            f"{batches} among the last dead letters.",
            f"`cartpulse dead-letters list --error {BATCH}` names them; send what they held again.",
        )
