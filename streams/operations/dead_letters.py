"""Dead letters in their topic: reading and choosing them, and finding those that were sent back."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from models.contracts.events import DEAD_LETTER_REPLAYED_TYPE, DeadLetter, DeadLetterReplayed
from streams.kafka.log.reading import read_batches

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streams.kafka.log.reading import ReadProgress
    from streams.settings.settings import Settings

_AGE: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Letter:
    """Dead letter with its headers and its bytes."""

    told: DeadLetter
    """Headers: the place of the original, and the reason why it was refused."""
    key: bytes | None
    value: bytes | None
    """Bytes of the original; of an original that was cut, its first bytes."""
    partition: int
    """Partition of the dead letters' topic."""
    offset: int
    written_at: datetime
    """Timestamp of the record: the broker's time; on the embedded broker, the purchase's time."""

    @classmethod
    def of(cls, record: Any) -> Self | None:
        """Decode a record as a dead letter; None where the record is no dead letter."""
        try:
            told = DeadLetter.from_headers(record.headers)
        except ValueError:
            return None
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        return cls(told, record.key, record.value, record.partition, record.offset, at)

    @property
    def id(self) -> str:
        """Id of the letter: its `ce_id`."""
        return self.told.identity

    @property
    def source(self) -> str:
        """Place of the original, as `topic[partition]@offset`, with `-last` for a whole batch."""
        last = "" if self.told.last_offset is None else f"-{self.told.last_offset}"
        return f"{self.told.topic}[{self.told.partition}]@{self.told.offset}{last}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters of letters. A letter is chosen if it passes every filter that is not empty."""

    ids: frozenset[str] = frozenset()
    """`ce_id`s, or first characters of them."""
    errors: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    since: datetime | None = None

    def __contains__(self, letter: Letter) -> bool:
        told = letter.told
        return (
            (not self.ids or letter.id.startswith(tuple(self.ids)))
            and (not self.errors or told.error in self.errors)
            and (not self.stages or told.stage in self.stages)
            and (self.since is None or letter.written_at >= self.since)
        )


@dataclass(slots=True)
class LetterSurvey:
    """Survey of a dead letters' topic, without the letters' bytes."""

    chosen: dict[str, None] = field(default_factory=dict)
    """Ids of the letters chosen, the oldest of each partition first; copies of a letter count once."""
    sent: dict[str, DeadLetterReplayed] = field(default_factory=dict)
    """Letter id -> marker that says where the letter was sent back to. Holds all letters, chosen or not."""

    def named(self, prefix: str) -> list[str]:
        """Return the chosen ids that begin with `prefix`."""
        return [identity for identity in self.chosen if identity.startswith(prefix)]


async def read_letters(
    settings: Settings, progress: ReadProgress | None = None
) -> AsyncGenerator[Letter | DeadLetterReplayed, None]:
    """Yield every letter that the topic holds now once, and every marker of a letter that was sent back.

    Args:
        settings: Service settings.
        progress: Receives the progress of the read; None reports nothing.
    """
    seen: defaultdict[int, set[str]] = defaultdict(set)
    async with aclosing(read_batches(settings, settings.dead_letters_topic, progress)) as batches:
        async for place, records in batches:
            for record in records:
                found = _replayed(record) or Letter.of(record)
                if isinstance(found, Letter):
                    if found.id in seen[place.partition]:  # a copy, delivered again after a crash
                        continue
                    seen[place.partition].add(found.id)
                if found is not None:
                    yield found


async def survey(
    settings: Settings, selection: Selection, progress: ReadProgress | None = None
) -> LetterSurvey:
    """Read the topic and return the letters that a selection chooses, and the letters that were sent back.

    Args:
        settings: Service settings.
        selection: Filters of the letters.
        progress: Receives the progress of the read; None reports nothing.
    """
    found = LetterSurvey()
    async with aclosing(read_letters(settings, progress)) as letters:
        async for letter in letters:
            if isinstance(letter, DeadLetterReplayed):
                found.sent[letter.letter_id] = letter
            elif letter in selection:
                found.chosen[letter.id] = None
    return found


def instant(text: str, now: datetime) -> datetime:
    """Parse an instant: an RFC 3339 text, or an age such as 30m, 12h or 7d.

    Args:
        text: Text to parse; without an offset it is read as UTC.
        now: Instant from which an age is counted back.

    Raises:
        ValueError: The text is neither an instant nor an age.
    """
    age = _AGE.fullmatch(text)
    if age is not None:
        try:
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        except OverflowError:
            raise ValueError(f"{text!r} lies before all time") from None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a time, such as 2017-03-05T11:00:00Z, nor an age: 12h"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _replayed(record: Any) -> DeadLetterReplayed | None:
    if ("ce_type", DEAD_LETTER_REPLAYED_TYPE.encode()) not in record.headers:
        return None
    try:
        return DeadLetterReplayed.model_validate_json(record.value or b"")
    except ValueError:
        return None
