"""A flow: one source topic through one kind of ledger to its outputs; the engine runs whatever fits it.

The engine knows no purchases. `purchases` is the first flow; the tests run a counting ledger as another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from streams.kafka.topics import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from models.contracts.changes import Changes, Refusal, Row
    from models.ledger.checkpoint import Readable, Writable
    from models.ledger.status import Standing
    from models.records.columns import Records
    from models.records.decoder import Raw
    from models.records.partitioner import Partitioner
    from streams.settings.settings import Settings

    LedgerFactory = Callable[[int, int], "LedgerLike"]
    """(partition, number of partitions) to a new, empty ledger."""


class ClockLike(Protocol):
    """How far a ledger has come."""

    @property
    def offset(self) -> int:
        """Last source offset accounted for; -1 before the first."""

    @property
    def digest(self) -> int:
        """64-bit BLAKE2b of the raw record at that offset."""

    @property
    def fingerprint(self) -> int:
        """Hash of the settings that shaped its outputs."""

    @property
    def unopened(self) -> bool:
        """True where the owner of an empty partition should write the `live` record of this moment."""

    @property
    def silent(self) -> bool:
        """True where records were applied, and nothing will be sent until somebody ends history."""

    def waits_for_live(self, now: int) -> bool:
        """Whether nobody has said when history ends, or that it ends later than `now` (ms since 1970 UTC)."""


class LedgerLike(Protocol):
    """What one partition knows; `models.ledger.ledger.Ledger` documents the contract."""

    @property
    def clock(self) -> ClockLike:
        """How far the ledger has come."""

    @property
    def sweeping(self) -> bool:
        """Whether a begun boundary's sweep is not finished."""

    @property
    def standing(self) -> Standing:
        """How far it has come and how much it holds, for those who watch it."""

    def advance(self, records: Records) -> Changes:
        """Apply a prefix of the records; if it raises, the ledger is as it was."""

    def sweep(self, limit: int) -> Changes:
        """Sweep at most `limit` customers; if it raises, the ledger is as it was."""

    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Take the greatest row of every key, once, when new: `take` and `settle`."""

    def take(self, rows: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take each row unless a greater one of its key is held; the answer is the keys of older ones."""

    def settle(self) -> None:
        """Go on from the rows taken: before that, and after `restore`, the ledger can do nothing else."""

    def rows_of(self, keys: Iterable[bytes]) -> list[Row]:
        """The rows that it holds of keys, for those that have to be written again."""

    def save(self, file: Writable) -> None:
        """Write all that it knows; it is not used meanwhile."""

    def restore(self, file: Readable) -> None:
        """Take up what `save` wrote, when new; `CheckpointError` if that cannot be."""

    def tick_due(self, now_ms: int) -> int | None:
        """Event time (ms) of the tick that the owner should write now, if any."""

    def describe(self, customer: bytes) -> dict[str, object] | None:
        """One customer's state, for people."""


class DecoderLike(Protocol):
    """Raw records to columns; it never raises, whatever the bytes."""

    def decode(self, raws: Sequence[Raw]) -> tuple[Records, list[Refusal]]:
        """Records, one for every raw record in the same order, and why some were refused."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One source topic, the ledger that its records advance, and the topics that its events go to."""

    name: str
    source: str
    """Topic of the records that advance the ledger."""
    changelog: str
    """Topic of the ledger's rows."""
    outputs: Mapping[str, str]
    """Name of an output in the contracts to its topic on the broker."""
    dead_letters: str
    """Topic of the records that were refused."""
    group: str
    """Consumer group, and the beginning of transactional ids."""
    partitions: int
    partitioner: Partitioner
    """Way in which producers map keys to partitions: misrouted records are sent on by it."""
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
        name="purchases",
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
