"""Flow: one source topic, one kind of ledger, and the output topics of the ledger.

The engine runs any flow and imports nothing about purchases. `purchases` is the first flow; the tests run a
counting ledger as another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from streams.kafka.topics import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from models.contracts.changes import Changes, Refusal, Row
    from models.contracts.status import LedgerStatus
    from models.ledger.checkpoint import Readable, Writable
    from models.records.columns import Records
    from models.records.decoder import Raw
    from models.records.partitioner import Partitioner
    from streams.settings.settings import Settings

    LedgerFactory = Callable[[int, int], "LedgerLike"]
    """Factory that maps (partition, number of partitions) to a new, empty ledger."""


class ClockLike(Protocol):
    """Progress of a ledger in its source log."""

    @property
    def offset(self) -> int:
        """Last source offset accounted for; -1 before the first."""

    @property
    def digest(self) -> int:
        """64-bit BLAKE2b of the raw record at that offset."""

    @property
    def fingerprint(self) -> int:
        """Hash of the settings that shaped the ledger's outputs."""

    @property
    def unopened(self) -> bool:
        """True where the owner of an empty partition should write the `live` record of this moment."""

    @property
    def silent(self) -> bool:
        """True where records were applied, and no event will be sent until an operator ends history."""

    def waits_for_live(self, now: int) -> bool:
        """Return True if no `live` record ends history by `now` (ms since 1970 UTC)."""


class LedgerLike(Protocol):
    """State of one partition; `models.ledger.ledger.Ledger` documents the contract."""

    @property
    def clock(self) -> ClockLike:
        """Progress of the ledger in its source log."""

    @property
    def sweeping(self) -> bool:
        """True if a boundary's sweep has begun and is not finished."""

    @property
    def standing(self) -> LedgerStatus:
        """Progress and size of the ledger, for monitoring."""

    def advance(self, records: Records) -> Changes:
        """Apply a prefix of the records. If `advance` raises, the ledger is unchanged."""

    def sweep(self, limit: int) -> Changes:
        """Sweep at most `limit` customers. If `sweep` raises, the ledger is unchanged."""

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Load the greatest row of every key into a new ledger, once: `take`, then `settle`."""

    def take(self, rows: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take each row unless the ledger holds a greater row of its key.

        Return the keys of the rows not taken.
        """

    def settle(self) -> None:
        """Finish loading. After `take` or `restore`, only `settle` makes the ledger usable."""

    def rows_of(self, keys: Iterable[bytes]) -> list[Row]:
        """Return the rows that the ledger holds for these keys, so that the rows can be written again."""

    def save(self, file: Writable) -> None:
        """Write the whole state. The ledger must not be used while `save` runs."""

    def restore(self, file: Readable) -> None:
        """Load what `save` wrote into a new ledger; raise `CheckpointError` if that is not possible."""

    def tick_due(self, now_ms: int) -> int | None:
        """Return the event time (ms) of the tick that the owner should write now, or None."""

    def describe(self, customer: bytes) -> dict[str, object] | None:
        """Return one customer's state in readable form, or None for an unknown customer."""


class DecoderLike(Protocol):
    """Decoder of raw records into columns; it never raises, whatever the bytes."""

    def decode(self, raws: Sequence[Raw]) -> tuple[Records, list[Refusal]]:
        """Return one record per raw record, in the same order, and the reasons for the refused ones."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Source topic, the ledger that its records advance, and the topics of the ledger's events."""

    source: str
    """Topic of the records that advance the ledger."""
    changelog: str
    """Topic of the ledger's rows."""
    outputs: Mapping[str, str]
    """Map from an output's name in the contracts to the topic on the broker."""
    dead_letters: str
    """Topic of the refused records."""
    group: str
    """Consumer group, and prefix of transactional ids."""
    partitions: int
    partitioner: Partitioner
    """Partitioner by which producers map keys to partitions. Misrouted records are forwarded by the same
    partitioner."""
    event_source: str
    """CloudEvents `source` of dead letters."""
    decoder: DecoderLike
    ledgers: LedgerFactory
    fingerprint: int
    """Hash of the settings that shape the ledger's outputs."""


def purchases(settings: Settings, *, ledgers: LedgerFactory, decoder: DecoderLike) -> Flow:
    """Make the flow of purchases.

    Args:
        settings: Service settings: names of topics, group, partitions.
        ledgers: Maker of a partition's ledger.
        decoder: Decoder of raw purchase records.
    """
    return Flow(
        source=settings.purchases_topic,
        changelog=settings.changelog_topic,
        outputs={name: settings.topic(name) for name in OUTPUTS},
        dead_letters=settings.dead_letters_topic,
        group=settings.group,
        partitions=settings.partitions,
        partitioner=settings.partitioner,
        event_source=settings.event_source,
        decoder=decoder,
        ledgers=ledgers,
        fingerprint=settings.ledger.fingerprint,
    )
