"""A partition's clock: how far its log is accounted for, and which days are closed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from models.memory.rows import (
    HEADER,
    ROW_VERSION,
    RowError,
    header,
    header_of_any_format,
    own_payload,
    partition_row,
    unseal_any_format,
)

_FORMAT = struct.Struct("<QqiqQ?IIqi")
_EVERY_FORMAT = struct.Struct("<QqiqQ?I")
"""What the payload of a clock row begins with, in the formats of all releases so far."""
_NONE = -(1 << 62)

UNTIL_LIVE_MS = int(datetime(2100, 12, 31, tzinfo=UTC).timestamp()) * 1_000
"""Event time, ms, of the `live` record by which a service loads history first: the last day that an event may
carry, so that all is history until another `live` record names an earlier moment."""


@dataclass(frozen=True, slots=True)
class ClockRow:
    """The clock row. Recovery resumes the source behind its offset, whatever the consumer group committed."""

    offset: int = -1
    """Last source offset accounted for; -1 before the first."""
    digest: int = 0
    """64-bit BLAKE2b of the record at that offset: tells a topic that was made anew."""
    watermark: int | None = None
    """Greatest event time applied less the allowed lateness, ms since 1970 UTC: it alone closes days."""
    begun: int = 0
    """Last day whose boundary was begun; 0 before the first."""
    finished: int = 0
    """Last day whose boundary is finished: every customer it concerned has seen it."""
    live_at: int | None = None
    """Event time (ms) up to which outputs are counted and not sent: the least of all `live` records."""
    fingerprint: int = 0
    """Hash of the settings that shape outputs."""
    wall: bool = False
    """True where the wall clock closes days once live, False where the log's records alone do. Fixed by the
    first record that tells the time, and kept from then on, whatever the settings say."""
    partitions: int = 1
    """Partitions of the log: which customers belong to this one depends on it."""
    rows: int = 0
    """How many other rows there are, customers' and the partition's own: a changelog that was deleted under a
    running worker holds fewer, though what it holds fits together."""
    quiet_offset: int = -1
    """Last source offset that a state before this one accounted for: it sent what the records up to there
    cause, so that is history. -1 where there was none."""
    quiet_boundary: int = 0
    """Last day whose boundary that state had finished; 0 where there was none."""

    @property
    def sweeping(self) -> bool:
        """Whether a boundary was begun that is not finished."""
        return self.finished < self.begun

    @property
    def unopened(self) -> bool:
        """True on the wall clock where neither a purchase nor a `live` record has come yet."""
        return self.wall and self.live_at is None and self.watermark is None

    @property
    def silent(self) -> bool:
        """True on the wall clock where purchases have come and no `live` record, so that nothing is sent."""
        return self.wall and self.live_at is None and self.watermark is not None

    def history(self, lateness: int) -> bool:
        """Whether all that was applied so far is counted and not sent; `lateness` is the allowed one, ms."""
        if self.offset < self.quiet_offset:
            return True
        if self.live_at is None or self.watermark is None:
            return self.wall or self.live_at is not None
        return self.is_history(self.watermark + lateness)

    def waits_for_live(self, now: int) -> bool:
        """Whether nobody has said when history ends, or that it ends later than `now` (ms since 1970 UTC)."""
        return self.wall if self.live_at is None else self.live_at > now

    def is_history(self, at: int) -> bool:
        """Whether what happens at an instant (ms) is counted and not sent: up to `live`.

        Without any `live` record all is history on the wall clock, and all is news on the log clock.
        """
        return self.wall if self.live_at is None else at <= self.live_at

    def encode(self) -> bytes:
        """The clock row. Of two with one offset, the one whose sweep has got further is the later."""
        payload = _FORMAT.pack(
            self.digest,
            _NONE if self.watermark is None else self.watermark,
            self.begun,
            _NONE if self.live_at is None else self.live_at,
            self.fingerprint,
            self.wall,
            self.partitions,
            self.rows,
            self.quiet_offset,
            self.quiet_boundary,
        )
        return partition_row(payload, offset=self.offset, boundary=self.finished)

    @classmethod
    def decode(cls, value: bytes) -> ClockRow:
        """The clock of a clock row.

        Raises:
            RowError: Damaged, cut off, or of another format version.
        """
        payload = own_payload(value)
        if len(payload) != _FORMAT.size:
            raise RowError(f"a clock row with a payload of {len(payload)} bytes, not {_FORMAT.size}")
        digest, watermark, begun, live_at, fingerprint, wall, partitions, rows, *quiet = _FORMAT.unpack(
            payload
        )
        head = header(value)
        return cls(
            offset=head.offset,
            digest=digest,
            watermark=None if watermark == _NONE else watermark,
            begun=begun,
            finished=head.boundary,
            live_at=None if live_at == _NONE else live_at,
            fingerprint=fingerprint,
            wall=wall,
            partitions=partitions,
            rows=rows,
            quiet_offset=quiet[0],
            quiet_boundary=quiet[1],
        )

    @classmethod
    def after(cls, value: bytes) -> ClockRow:
        """The clock with which a state is made anew from the log, in quiet: all that another sent is history.

        A sweep that the other had not finished is no history: what it raised is sent again, with equal ids.

        Args:
            value: The other's clock row, of this release's format or an earlier one.

        Raises:
            RowError: Damaged, cut off, or of a later format version.
        """
        head, payload = header_of_any_format(value), unseal_any_format(value)[HEADER.itemsize :]
        if head.version > ROW_VERSION:
            header(value)  # raises
        if len(payload) < _EVERY_FORMAT.size:
            raise RowError(
                f"a clock row with a payload of {len(payload)} bytes, not {_EVERY_FORMAT.size} or more"
            )
        *_, wall, partitions = _EVERY_FORMAT.unpack_from(payload)
        before = cls.decode(value) if head.version == ROW_VERSION else cls()
        return cls(
            wall=wall,
            partitions=partitions,
            quiet_offset=max(head.offset, before.quiet_offset),
            quiet_boundary=max(head.boundary, before.quiet_boundary),
        )
