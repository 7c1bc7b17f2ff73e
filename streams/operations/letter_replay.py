"""Replay of dead letters: sends each letter back to `purchases` once and reports what happened to it.

The letter's id prevents a second sending. The purchase carries the id as a header. Once the purchase is
acknowledged, a marker is written behind the letter, into the letter's own partition, where every later run
reads it. A run that is interrupted between the two leaves letters that a later run sends again, at most
`RUN` of them. Sending again does no harm: only records that decode as purchases are sent, and a purchase
counts once by its event id.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from models.contracts.cloudevents import source_of
from models.contracts.events import DeadLetterReplayed
from models.records.columns import UNKNOWN_TIME, Kind
from models.records.decoder import Decoder, Raw
from models.records.partitioner import partition_of
from streams.errors import CartpulseError, NotAllowedError
from streams.kafka.log.reading import places_of
from streams.kafka.options import idempotence, producer_options
from streams.operations.dead_letters import Letter, read_letters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from streams.operations.dead_letters import LetterSurvey
    from streams.settings.settings import Settings

HEADER: Final = "replayed-from"
"""Header of a purchase that was sent back; its value is the letter's id."""

RUN: Final = 100
"""Letters sent before their markers are written. An interruption may cause so many to be sent again; a
smaller number spends more time waiting for acknowledgements."""

SENT: Final = "sent"
WOULD_SEND: Final = "would be sent"
SENT_BEFORE: Final = "sent before"
REFUSED: Final = "would be refused again"


class NotSentError(CartpulseError):
    """The broker did not take a letter that was sent back."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """Outcome of one letter."""

    id: str
    outcome: str
    topic: str = ""
    partition: int = -1
    offset: int = -1
    """Offset to which the letter was sent, now or before; -1 where none is known."""
    reason: str = ""
    """Reason why the letter was not sent."""

    @property
    def done(self) -> bool:
        """True if nothing is left to do about the letter."""
        return self.outcome != REFUSED

    def sentence(self) -> str:
        """Describe the outcome in one line."""
        at = f"@{self.offset}" if self.offset >= 0 else ""
        word = ", as" if self.outcome == SENT_BEFORE else " to"
        place = f"{word} {self.topic}[{self.partition}]{at}" if self.topic else ""
        return f"{self.id}  {self.outcome}{place}{f': {self.reason}' if self.reason else ''}"


@dataclass(frozen=True, slots=True)
class ResentPurchase:
    """Purchase that is sent for a letter."""

    letter: Letter
    key: bytes | None
    value: bytes
    partition: int
    repaired: bool


class LetterReplay:
    """Sender of dead letters.

    Args:
        settings: Service settings.
        survey: Letters chosen, and letters that were sent before.
        repaired: Corrected value of the one letter chosen; None to send originals.
        tell: Receives the outcome of each letter.
        dry: Send nothing, and report what would be sent.
    """

    def __init__(
        self,
        settings: Settings,
        survey: LetterSurvey,
        *,
        repaired: bytes | None,
        tell: Callable[[ReplayReport], None],
        dry: bool,
    ) -> None:
        self._settings = settings
        self._survey = survey
        self._repaired = repaired
        self._tell = tell
        self._dry = dry
        self._decoder = Decoder(settings.ledger)
        self._partitions = 0

    async def run(self) -> None:
        """Send every letter that was chosen and was not sent before.

        Raises:
            NotSentError: The broker did not take a letter. Letters that the broker took are marked.
            NotAllowedError: The login may not write.
        """
        self._partitions = len(await places_of(self._settings, [self._settings.purchases_topic]))
        async with aclosing(self._purchases()) as purchases:
            if self._dry:
                async for purchase in purchases:
                    topic = self._settings.purchases_topic
                    self._tell(ReplayReport(purchase.letter.id, WOULD_SEND, topic, purchase.partition))
                return
            async with _producer(self._settings) as producer:
                run: list[ResentPurchase] = []
                async for purchase in purchases:
                    run.append(purchase)
                    if len(run) == RUN:
                        await self._send(producer, run)
                        run = []
                await self._send(producer, run)

    async def _purchases(self) -> AsyncGenerator[ResentPurchase, None]:
        """Yield the purchases to send; report for every other letter why it is not sent."""
        async with aclosing(read_letters(self._settings)) as letters:
            async for letter in letters:
                if not isinstance(letter, Letter) or letter.id not in self._survey.chosen:
                    continue
                before = self._survey.sent.get(letter.id)
                if before is not None:
                    self._tell(
                        ReplayReport(letter.id, SENT_BEFORE, before.topic, before.partition, before.offset)
                    )
                    continue
                purchase = self._purchase(letter)
                if isinstance(purchase, str):
                    self._tell(ReplayReport(letter.id, REFUSED, reason=purchase))
                else:
                    yield purchase

    def _purchase(self, letter: Letter) -> ResentPurchase | str:
        """Return the purchase to send for a letter, or the reason why a worker would refuse it."""
        if letter.told.last_offset is not None:
            return (
                "it is a whole record batch that cannot be decoded, and no record: send what it held again "
                "from where it came from; `cartpulse dead-letters show ID --raw` writes its bytes"
            )
        if self._repaired is None and letter.told.size is not None:
            return f"only its first {len(letter.value or b'')} of {letter.told.size} bytes are kept"
        if self._repaired is None and letter.told.stage == "duplicate":
            return f"{letter.told.stage}/{letter.told.error}: {letter.told.reason}"
        value = letter.value if self._repaired is None else self._repaired
        records, refusals = self._decoder.decode([Raw(0, value, UNKNOWN_TIME)])
        if refusals:
            fault = refusals[0]
            place = f"{fault.field}: " if fault.field else ""
            return f"{fault.stage}/{fault.error}: {place}{fault.reason}"
        if value is None or records.kinds[0] not in (Kind.PURCHASE, Kind.RETURN):
            return "it is a record of the service's own, and no purchase"
        key = letter.key if self._repaired is None else records.customers[0]
        if key is None:
            home = min(letter.told.partition, self._partitions - 1)
        else:
            home = partition_of(key, self._partitions, self._settings.partitioner)
        return ResentPurchase(letter, key, value, home, repaired=self._repaired is not None)

    async def _send(self, producer: AIOKafkaProducer, run: list[ResentPurchase]) -> None:
        """Send purchases, wait for their acknowledgement, then write their markers."""
        topic = self._settings.purchases_topic
        sending = [
            await producer.send(
                topic,
                purchase.value,
                key=purchase.key,
                partition=purchase.partition,
                headers=[(HEADER, purchase.letter.id.encode())],
            )
            for purchase in run
        ]
        results = await asyncio.gather(*sending, return_exceptions=True)
        sent = [
            (purchase, result)
            for purchase, result in zip(run, results, strict=True)
            if not isinstance(result, BaseException)
        ]
        await self._mark(producer, sent)
        for purchase, result in sent:
            self._tell(ReplayReport(purchase.letter.id, SENT, topic, result.partition, result.offset))
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _mark(self, producer: AIOKafkaProducer, sent: list[tuple[ResentPurchase, Any]]) -> None:
        """Write the marker of each letter that was sent back."""
        source, now = source_of(self._settings.application), datetime.now(UTC).replace(microsecond=0)
        marking = []
        for purchase, result in sent:
            marker = DeadLetterReplayed(
                letter_id=purchase.letter.id,
                repaired=purchase.repaired,
                topic=result.topic,
                partition=result.partition,
                offset=result.offset,
                occurred_at=now,
            )
            marking.append(
                await producer.send(
                    self._settings.dead_letters_topic,
                    marker.model_dump_json().encode(),
                    key=purchase.letter.key,
                    partition=purchase.letter.partition,
                    headers=list(marker.headers(source=source)),
                )
            )
        await asyncio.gather(*marking)


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**producer_options(settings, idempotent=await idempotence(settings)))
    try:
        await producer.start()
        yield producer
    except TopicAuthorizationFailedError as error:
        raise NotAllowedError(
            f"The login {settings.kafka_sasl_username!r} may not write to {error}",
            remedy="deploy/kafka/acls.sh lists the rights of each login.",
        ) from error
    except KafkaError as error:
        raise NotSentError(
            f"The broker did not take what was sent back ({error!r}). What is said above is done and marked; "
            "the same command goes on with the rest, of which it may have taken some: that counts once."
        ) from error
    finally:
        await producer.stop()
