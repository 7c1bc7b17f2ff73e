"""One customer for people: habits, alerts and segment as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.alerts import Cycle
from models.calendar import date_of, instant_of
from models.columns import NEVER, NO_SEGMENT
from models.segments import SEGMENTS, label

if TYPE_CHECKING:
    from models.state import State


def describe(state: State, customer: bytes) -> dict[str, object] | None:
    """What a partition knows of a customer: JSON-able; None for one it does not know.

    `segment` is the reported one; `label` is exact RFM at this moment.
    """
    row = state.rows.get(customer)
    if row is None:
        return None
    record: Any = state.customers[row]
    standing = state.standing(np.array([row]))
    segment = int(record["segment"])
    bought = bool(standing.frequency[0])
    return {
        "customer_id": customer.decode(),
        "baskets": int(record["baskets"]),
        "purchase_days": int(standing.frequency[0]),
        "spend": int(record["spend"]) / 10_000,
        "first_purchase": instant_of(int(record["first_purchase"])).isoformat()
        if record["baskets"]
        else None,
        "last_purchase": instant_of(int(record["last_purchase"])).isoformat() if record["baskets"] else None,
        "segment": None if segment == NO_SEGMENT else SEGMENTS[segment],
        "label": _label(state, row) if bought else None,
        "open_days": [
            date_of(day).isoformat() for day in sorted(record["open_day"].tolist()) if day != NEVER
        ],
        "source_offset": int(record["offset"]),
        "habits": sorted((_habit(state, cell) for cell in state.cells.run(row)), key=_category),
    }


def _label(state: State, row: int) -> str | None:
    cuts = state.histograms.thresholds(state.settings.segment_minimum_population)
    if cuts is None:
        return None
    return SEGMENTS[int(label(*cuts.scores(state.standing(np.array([row]))))[0])]


def _category(habit: dict[str, object]) -> str:
    return str(habit["category"])


def _habit(state: State, cell: Any) -> dict[str, object]:
    cycle = Cycle(int(cell["alert"]))
    planned = cycle is not Cycle.UNPLANNED
    return {
        "category": state.category_names.name(int(cell["category"])),
        "purchases": int(cell["purchases"]),
        "last_purchase": date_of(int(cell["last_day"])).isoformat(),
        "last_interval_days": int(cell["last_interval"]),
        "usual_quantity": round(float(cell["quantity"]), 3),
        "alert": cycle.name.lower(),
        "best_date": date_of(int(cell["best_day"])).isoformat() if planned else None,
    }
