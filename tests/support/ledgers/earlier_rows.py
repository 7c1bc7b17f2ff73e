"""Rows as the release before wrote them, made from today's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.learning.intervals import Statistic
from models.ledger.intake import Intake
from models.memory.rows import CALIBRATION_KEY, CHECKSUM_BYTES, HEADER, customer_of, is_erased, seal, unseal
from models.memory.sections import SECTION
from models.settings import LedgerSettings
from models.state.columns import HEAD, RAISED_ALERT, Cycle
from models.state.customer_rows import Section
from models.state.habits import statistics_of
from models.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

EARLIER_VERSION: Final = 5
EARLIER_CELL: Final = np.dtype(
    [
        *((name, "<u2") for name in ("category", "purchases", "first_day", "last_day", "last_interval")),
        *((name, "<f4") for name in ("sum_log", "sum_log2", "ewma_interval", "ewma_log")),
        ("decayed", "<f4", (4,)),
        ("quantity", "<f4"),
        *((name, "<u2") for name in ("count", "recent", "best_day", "low_day", "high_day")),
    ]
)
"""Item of the section of cells. The mean of intervals and two of the decayed counts are not kept any more."""
EARLIER_RAISED: Final = np.dtype([("raised_day", "<u2"), ("chance", "<u2")])
_EARLIER_CYCLES: Final = {
    Cycle.UNPLANNED: 0,
    Cycle.PLANNED: 1,
    Cycle.RAISED: 2,
    Cycle.FULFILLED: 3,
    Cycle.LAPSED: 3,
}
EARLIER_HEAD: Final = np.dtype(
    [
        (name, HEAD[name])
        for name in HEAD.names or ()
        if name not in {"weekdays", "list_day", "listed", "smoothed", "smoothed_day"}
    ]
)


def earlier_rows(rows: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Rewrite a whole changelog into format 5, with zeros where today's rows know less."""
    state = State(LedgerSettings(), 1)
    intake = Intake(state, {})
    intake.take(rows.items())
    intake.settle_for_a_look()
    earlier = {}
    for key, row in rows.items():
        if key == CALIBRATION_KEY:
            continue
        body, customer = unseal(row), customer_of(key)
        if customer is not None and not is_erased(row):
            cells = state.cells.run(state.rows[customer])
            body = body[: HEADER.itemsize] + _rewritten(row, cells)
        earlier[key] = seal(EARLIER_VERSION.to_bytes(2, "little") + body[2:])
    return earlier


def sections_of(row: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Walk through the sections of a customer's row: kind, heading and items of each."""
    at, end = HEADER.itemsize, len(row) - CHECKSUM_BYTES
    while at < end:
        heading = np.frombuffer(row, SECTION, 1, at)[0]
        first = at + SECTION.itemsize
        following = first + int(heading["count"]) * int(heading["size"])
        yield int(heading["kind"]), row[at:first], row[first:following]
        at = following


def _rewritten(row: bytes, cells: NDArray[Any]) -> bytes:
    """The sections of a row, with those that have changed as they were."""
    pieces = []
    for kind, heading, items in sections_of(row):
        earlier: NDArray[Any] | None = None
        if kind > Section.PRODUCTS:
            continue
        if kind == Section.HEAD:
            head = np.frombuffer(items, HEAD)
            earlier = np.zeros(1, EARLIER_HEAD)
            for name in EARLIER_HEAD.names or ():
                earlier[name] = head[name]
        elif kind == Section.CELLS:
            earlier = _cells(cells)
        elif kind == Section.ALERTS:
            cycles = [_EARLIER_CYCLES[Cycle(cycle)] for cycle in cells["alert"].tolist()]
            earlier = np.array(cycles, np.uint8)
        elif kind == Section.RAISED:
            raised = np.frombuffer(items, RAISED_ALERT)
            earlier = np.zeros(len(raised), EARLIER_RAISED)
            for name in EARLIER_RAISED.names or ():
                earlier[name] = raised[name]
        if earlier is None:
            pieces += [heading, items]
        else:
            made = np.array([(kind, len(earlier), earlier.dtype.itemsize)], SECTION)
            pieces += [made.tobytes(), earlier.tobytes()]
    return b"".join(pieces)


def _cells(cells: NDArray[Any]) -> NDArray[Any]:
    earlier, known = np.zeros(len(cells), EARLIER_CELL), statistics_of(cells).astype(np.float64)
    for name in set(EARLIER_CELL.names or ()) & set(cells.dtype.names or ()) - {"decayed", "ewma_log"}:
        earlier[name] = cells[name]
    intervals, mean = known[:, Statistic.PURCHASES] - 1, known[:, Statistic.MEAN_LOG]
    earlier["sum_log"] = intervals * mean
    earlier["sum_log2"] = intervals * (known[:, Statistic.VARIANCE_LOG] + mean**2)
    earlier["ewma_log"] = known[:, Statistic.EWMA_LOG]
    for at, column in ((0, Statistic.DECAYED_14), (3, Statistic.DECAYED_112)):
        earlier["decayed"][:, at] = known[:, column]
    return earlier
