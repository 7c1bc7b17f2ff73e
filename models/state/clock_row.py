"""Clock of a partition: how far the log is accounted for, and which days are closed."""

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
"""Beginning of a clock row's payload, common to the formats of all releases so far."""
_NONE = -(1 << 62)

UNTIL_LIVE_MS = int(datetime(2100, 12, 31, tzinfo=UTC).timestamp()) * 1_000
"""Event time, ms, of the `live` record by which a service loads history first. The moment is the last day
that an event may carry, so that all events are history until another `live` record names an earlier
moment."""


@dataclass(frozen=True, slots=True)
class ClockRow:
    """Clock of a partition as the changelog stores it.

    Recovery resumes the source behind the clock row's offset, whatever offset the consumer group committed.
    """

    offset: int = -1
    """Last source offset accounted for; -1 before the first record."""
    digest: int = 0
    """64-bit BLAKE2b of the record at that offset. A mismatch reveals that the topic was recreated."""
    watermark: int | None = None
    """Watermark: greatest event time applied less the allowed lateness, ms since 1970 UTC. The watermark
    alone closes days. None before the first."""
    begun: int = 0
    """Last day whose boundary was begun; 0 before the first boundary."""
    finished: int = 0
    """Last day whose boundary is finished: every customer whom the boundary concerned has seen it."""
    live_at: int | None = None
    """Event time (ms) up to which outputs are counted and not sent: the earliest of all `live` records. None
    without such a record."""
    fingerprint: int = 0
    """Hash of the settings that shape outputs."""
    wall: bool = False
    """True if the wall clock closes days once the service is live, False if the log's records alone do. The
    first record that moves time fixes this choice, and later settings do not change it."""
    partitions: int = 1
    """Partition count of the log, on which the assignment of customers to this partition depends."""
    rows: int = 0
    """Count of all other rows, partition-level rows included. A changelog that was deleted under a running
    worker holds fewer rows, though the remaining rows fit together."""
    quiet_offset: int = -1
    """Last source offset accounted for by a previous state that this state replaces; -1 without a previous
    state. Records up to that offset are history, because the previous state sent their outputs."""
    quiet_boundary: int = 0
    """Last day whose boundary the previous state finished; 0 without a previous state."""

    @property
    def sweeping(self) -> bool:
        """True if a boundary was begun that is not finished."""
        return self.finished < self.begun

    @property
    def unopened(self) -> bool:
        """True on the wall clock before the first purchase and the first `live` record."""
        return self.wall and self.live_at is None and self.watermark is None

    @property
    def silent(self) -> bool:
        """True on the wall clock if purchases but no `live` record have come, so that nothing is sent."""
        return self.wall and self.live_at is None and self.watermark is not None

    def history(self, lateness: int) -> bool:
        """Return True if all records applied so far are history: counted, their outputs not sent.

        Args:
            lateness: Allowed lateness, ms.
        """
        if self.offset < self.quiet_offset:
            return True
        if self.live_at is None or self.watermark is None:
            return self.wall or self.live_at is not None
        return self.is_history(self.watermark + lateness)

    def waits_for_live(self, now: int) -> bool:
        """Return True if no `live` record has come, or its moment is later than `now` (ms since 1970 UTC)."""
        return self.wall if self.live_at is None else self.live_at > now

    def is_history(self, at: int) -> bool:
        """Return True if an instant (ms) is history: at or before the moment of the `live` record.

        Without any `live` record, all instants are history on the wall clock, and none is on the log clock.
        """
        return self.wall if self.live_at is None else at <= self.live_at

    def encode(self) -> bytes:
        """Encode the clock row.

        Of two clock rows with one offset, the row whose sweep has advanced further is the later state.
        """
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
        """Decode a clock row.

        Raises:
            RowError: The row is damaged, cut off, or of another format version.
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
        """Return the clock of a new state that rebuilds from the log in quiet, in place of a previous state.

        Outputs that the previous state sent are history, and are not sent again. A sweep that the previous
        state had not finished is an exception: its outputs are sent again, with equal ids.

        Args:
            value: Clock row of the previous state, of this release's format or an earlier one.

        Raises:
            RowError: The row is damaged, cut off, or of a later format version.
        """
        head, payload = header_of_any_format(value), unseal_any_format(value)[HEADER.itemsize :]
        if head.version > ROW_VERSION:
            # The call raises the error that names the later format.
            header(value)
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
