"""Purchases of a file as the contract's models: the reader of `cartpulse produce`, for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo

from models.contracts.purchases import Purchase
from models.settings import LedgerSettings
from models.state.calendar import HOUR
from streams.clock import SystemClock
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions
from streams.sources.forms.tables import FileError
from streams.sources.values.evidence import DayOrder, DecimalMark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from streams.sources.files.lines import Refused

FUTURE_MS: Final = 24 * HOUR
"""How far a purchase may lie ahead of this machine's clock: a day, for clocks and time zones that are off."""


def read_purchases(
    path: str | Path,
    settings: LedgerSettings | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    dates: Literal["day-first", "month-first", "clear-only"] | None = None,
    decimal: Literal["point", "comma", "clear-only"] | None = None,
    time_zone: str | None = None,
    refused: Callable[[Refused], None] | None = None,
) -> Iterator[Purchase]:
    """Read the purchases of a file, in order of event time, exactly as `cartpulse produce` would send them.

    Usage::

        bad = []
        purchases = read_purchases("sales.csv", columns={"category": "Department"}, refused=bad.append)

    Columns, encoding, delimiter, dates and decimals are found out from the whole file, and what can be meant
    in two ways is asked for, never guessed (`docs/tutorial.md`). Rows that are no sale (cancelled, refunded,
    failed) are left out. The file is looked through at once; baskets are sorted through temporary files when
    the first purchase is asked for, and those are gone with the last.

    Args:
        path: A CSV, Parquet or JSON file, packed or not, of rows, of orders or of the contract's own events.
        settings: The service's settings, for its currency and time zone; None takes the defaults.
        columns: Names of columns by field, where they cannot be found out: `--map` of the command.
        constants: Values by field that hold in every row: `--set` of the command.
        dates: How 05/06/2010 is meant, where the file's other dates do not tell.
        decimal: How 1.250 is meant, where the file's other numbers do not tell.
        time_zone: IANA name of the zone of times without an offset; None takes that of the settings.
        refused: Called with each row that cannot become a purchase, and its reason; None raises at the first.

    Raises:
        FileError: The file cannot be read, can be read in two ways, or has a row that is refused while there
            is no `refused`.
        ColumnsError: The columns do not say all that is needed.
        ZoneInfoNotFoundError: `time_zone` is no IANA name.
    """
    chosen = settings or LedgerSettings()
    told = FileOptions(
        columns=columns or {},
        constants=constants or {},
        dates=None if dates is None else DayOrder(dates),
        decimal=None if decimal is None else DecimalMark(decimal),
    )
    file = PurchaseFile(
        Path(path),
        chosen,
        told,
        ZoneInfo(time_zone or chosen.time_zone),
        latest=SystemClock().now_ms() + FUTURE_MS,
        keep=refused or _refuse,
    )
    undecided = file.examine().undecided
    if undecided:
        raise FileError(f"{' '.join(undecided)} (The command's options are arguments here.)")
    return _purchases(file)


def _purchases(file: PurchaseFile) -> Iterator[Purchase]:
    with file:
        file.prepare()
        for record in file:
            yield Purchase.model_validate_json(record.value)


def _refuse(row: Refused) -> None:
    raise FileError(
        f"Row {row.number} cannot become a purchase: {row.reason} Correct the file, or hand a function to "
        "`refused` that takes such rows."
    )
