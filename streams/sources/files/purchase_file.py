"""File of purchases as a source: rows in any order become baskets in order of time, in bounded memory.

Three passes read the file. The first decides how the file is to be read (`survey`). The second reads every
row and sorts the lines of baskets by time (`sorting`); up to 100,000 lines stay in memory, more go through
temporary files. The third groups the lines (`grouping`) and yields the events. The rows may therefore stand
in any order. Every row is either sent or refused with its reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from models.contracts.timestamps import LATEST_MS
from models.records.columns import UNKNOWN_TIME, Kind
from models.records.decoder import Decoder, Raw
from streams.sources.bounded.sorting import RUN, Sorter
from streams.sources.feed import Feed
from streams.sources.files.constants import check_currency
from streams.sources.files.first_pass import REPORT_EVERY, RowsRead, survey
from streams.sources.files.grouping import Grouped, baskets
from streams.sources.files.line import Line
from streams.sources.files.lines import LeftOut, LineReader, Refused
from streams.sources.files.unread import UnreadStatuses
from streams.sources.forms.tables import CUT_OFF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType
    from zoneinfo import ZoneInfo

    from models.settings import LedgerSettings
    from streams.sources.files.survey import FileOptions, FileSurvey
    from streams.sources.forms.containers import Container
    from streams.sources.forms.tables import TableRow
    from streams.sources.statuses.rows import Judge

EXAMPLES: Final = 20
"""Refusals of one sort that are kept as examples."""


class Event(msgspec.Struct, array_like=True, gc=False):
    """Event of the input contract, as a file holds it."""

    occurred_at: int
    """Event time, ms since 1970 UTC."""
    customer_id: str
    number: int
    value: bytes


class _Item(msgspec.Struct, gc=False):
    """Item of an event, with the fields needed for counting."""

    product_id: str
    category: str


class _Bought(msgspec.Struct, gc=False):
    """Event of the input contract, with the fields needed for counting."""

    kind: str
    items: list[_Item]


@dataclass(slots=True)
class Refusals:
    """Rows that are not sent: counted by sort, kept as examples, and passed on."""

    keep: Callable[[Refused], None] | None = None
    """Called with every refusal."""
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Refused]] = field(default_factory=dict)

    def note(self, refused: Refused) -> None:
        """Count one more refusal."""
        self.counts[refused.sort] += 1
        kept = self.examples.setdefault(refused.sort, [])
        if len(kept) < EXAMPLES:
            kept.append(refused)
        if self.keep is not None:
            self.keep(refused)

    @property
    def total(self) -> int:
        """Number of rows refused."""
        return self.counts.total()

    def copy(self) -> Refusals:
        """Copy the counts and the examples."""
        examples = {sort: list(kept) for sort, kept in self.examples.items()}
        return Refusals(self.keep, Counter(self.counts), examples)


class PurchaseFile:
    """Purchases of one file.

    Usage::

        with PurchaseFile(path, settings.ledger, FileOptions(), zone) as file:
            file.examine()
            file.survey.undecided  # questions that a person has to answer first
            file.prepare()
            for record in file:  # `Feed`, in order of time; counts go to `grouped` and `refusals`
                ...

    Args:
        path: CSV, Parquet or JSON, packed or not, of rows, of orders or of the contract's own events.
        settings: Ledger settings: the currency.
        told: Options that a person gave for the file.
        zone: Time zone of times written without an offset.
        latest: Latest event time, ms since 1970 UTC; later purchases are refused as future ones.
        keep: Called with every refusal.
        folder: Folder for temporary files; None takes the system's.
        drop_repeated: Refuse a line that repeats another line of its basket.
        run: Lines held in memory.
    """

    def __init__(
        self,
        path: Path | Container,
        settings: LedgerSettings,
        told: FileOptions,
        zone: ZoneInfo,
        *,
        latest: int = LATEST_MS,
        keep: Callable[[Refused], None] | None = None,
        folder: Path | None = None,
        drop_repeated: bool = False,
        run: int = RUN,
    ) -> None:
        self._path, self._settings, self._told, self._zone = path, settings, told, zone
        self._folder, self._drop_repeated, self._run = folder, drop_repeated, run
        self._sorted_lines: Sorter[Line] | None = None
        self._sorted_events: Sorter[Event] | None = None
        self._keep, self._latest = keep, latest
        self.survey: FileSurvey
        self._prepared = Refusals()
        self.refusals = self._prepared
        """Rows refused, those of the last iteration included."""
        self.grouped = Grouped()
        """Counts of the last iteration."""
        self.accepted = 0
        """Rows that have become lines."""
        self.steps_back = 0
        """Rows that lie before the row above them in time."""
        self.passed_twice = 0
        """Rows with a local time that the clock passes twice; the first of the two times is taken."""
        self.without_category = 0
        """Rows with an empty category; the product stands for the category."""
        self.discounts_found = 0
        """Rows whose discount was computed as quantity times price less the total."""
        self.totals_differ = 0
        """Rows whose total differs from quantity, price and discount for another reason."""
        self.cut_off = ""
        """Sentence about where the file is cut off, set once its rows are read; empty where the file is
        whole."""
        self.judge: Judge | None = None
        """Judge of which rows are sales, set once the rows are read; None for events."""
        self._unread: Counter[str] = Counter()
        self._unread_statuses = UnreadStatuses()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sorter in (self._sorted_lines, self._sorted_events):
            if sorter is not None:
                sorter.close()

    def examine(self, progress: RowsRead | None = None) -> FileSurvey:
        """Run the first pass: decide how the file is to be read.

        Raises:
            FileError: The file cannot be read.
            ColumnsError: The columns lack a needed field, or a person named another currency.
        """
        if "currency" in self._told.constants:
            check_currency(self._told.constants["currency"], self._settings.currency)
        self.survey = survey(self._path, self._told, self._zone, progress)
        return self.survey

    def prepare(self, progress: RowsRead | None = None) -> None:
        """Run the second pass: read every row, then refuse it or sort it."""
        self.refusals = Refusals(self._keep)
        self._unread.clear()
        self.accepted = self.steps_back = 0
        self.cut_off = ""
        if self.survey.form == "events":
            events = Sorter(Event, key=lambda event: event.occurred_at, folder=self._folder, run=self._run)
            self._sorted_events = events
            self._take(self._events(), events, progress)
        else:
            lines = Sorter(Line, key=lambda line: line.basket, folder=self._folder, run=self._run)
            self._sorted_lines = lines
            self._take(self._lines(), lines, progress)
        self._prepared = self.refusals

    def __iter__(self) -> Iterator[Feed]:
        """Run the third pass: yield the events in order of time. The iteration may be repeated."""
        self.refusals = self._prepared.copy()
        self.grouped = Grouped()
        if self.survey.form == "events":
            return self._written()
        return baskets(
            iter(self._sorted_lines or ()),
            self._settings,
            self.refusals.note,
            self.grouped,
            drop_repeated=self._drop_repeated,
            unread=self._unread_statuses,
        )

    @property
    def passed(self) -> int:
        """Number of accepted rows that the last iteration has passed."""
        known = self.refusals.total - self._prepared.total
        if self.survey.form == "events":
            return known + self.grouped.baskets
        return known + self.grouped.lines + self.grouped.left_out.total()

    @property
    def left_out(self) -> Counter[str]:
        """Status -> rows that are no sale by that status, and therefore are not refused."""
        return self._unread + self.grouped.left_out

    def _take(self, records: Iterator[Any], sorter: Sorter[Any], progress: RowsRead | None) -> None:
        before = 0
        for record in records:
            sorter.add(record)
            self.accepted += 1
            at = record.occurred_at
            self.steps_back += at < before
            before = at
            if progress is not None and self.accepted % REPORT_EVERY == 0:
                progress(self.accepted)

    def _lines(self) -> Iterator[Line]:
        found = self.survey
        self.judge = found.judge()
        reader = LineReader(
            found.columns,
            found.date_reader(self._latest),
            found.number_reader(),
            self._settings.currency,
            ids=found.id_readings,
            judge=self.judge,
            width=len(found.table.columns),
            slips=not found.preset,
            binary=found.form == "Parquet",
        )
        self._unread_statuses = reader.unread
        for row in found.table:
            self._note_end(row)
            line = reader.read(row)
            while reader.voices and self._sorted_lines is not None:
                self._sorted_lines.add(reader.voices.pop())
            if isinstance(line, Refused):
                self.refusals.note(line)
            elif isinstance(line, LeftOut):
                self._unread[line.reason] += 1
            else:
                yield line
        self.passed_twice, self.without_category = reader.passed_twice, reader.without_category
        self.discounts_found, self.totals_differ = reader.discounts_found, reader.totals_differ
        if reader.unread.dropped:
            found.remarks.append(
                f"{reader.unread.dropped:,} more rows are no sale and cannot be read, nor whose orders they "
                "are of: lines of those orders that have no status of their own count."
            )

    def _note_end(self, row: TableRow) -> None:
        if row.fault.startswith(CUT_OFF):
            self.cut_off = f"The file is cut off: what begins in line {row.number:,} or before is not closed."

    def _events(self) -> Iterator[Event]:
        decode = Decoder(self._settings).decode
        for row in self.survey.table:
            self._note_end(row)
            self.survey.rows += 1
            if row.fault and not row.fault.startswith("is no JSON"):
                self.refusals.note(Refused(row.number, "encoding or length", f"{row.fault}.", row.text))
                continue
            value = row.text.strip().encode()
            records, refusals = decode([Raw(row.number, value, UNKNOWN_TIME)])
            if refusals:
                sort = f"{refusals[0].field or 'event'} breaks the contract ({refusals[0].error})"
                self.refusals.note(Refused(row.number, sort, refusals[0].reason, row.text))
            elif int(records.occurred_at[0]) > self._latest:
                reason = "occurred_at lies in the future."
                self.refusals.note(Refused(row.number, "occurred_at cannot be read", reason, row.text))
            elif records.kinds[0] not in (Kind.PURCHASE, Kind.RETURN):
                reason = (
                    "Only purchases and returns are sent from files; the service's own records are its own."
                )
                self.refusals.note(Refused(row.number, "no purchase", reason, row.text))
            else:
                yield Event(int(records.occurred_at[0]), records.customers[0].decode(), row.number, value)

    def _written(self) -> Iterator[Feed]:
        decode = msgspec.json.Decoder(_Bought).decode
        for event in self._sorted_events or ():
            bought = decode(event.value)
            self.grouped.add(
                event.occurred_at, event.customer_id, bought.items, brought_back=bought.kind == "return"
            )
            yield Feed(event.customer_id.encode(), event.value, event.occurred_at)
