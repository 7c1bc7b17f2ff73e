"""Meaning of columns that only the values of a whole file can settle: customer, quantity, amounts.

Names alone mislead: a `count` may count the lines of an order, a `discount` may be the order's and repeat on
each of its lines, a `customer_id` may be new for every order. Each decision is reported as a remark, and
`--map` and `--set` overrule it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streams.sources.columns import ColumnsError, counters, missing_columns, own, rivals
from streams.sources.files.constants import WithConstants
from streams.sources.files.orders import Orders
from streams.sources.statuses.rows import ValueCounts, marks_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from streams.sources.bounded.counting import Distinct
    from streams.sources.files.orders import Amount
    from streams.sources.files.survey import FileSurvey

_AMOUNTS: Final = ("unit_price", "total", "discount")
_CERTAIN: Final = 3
"""Orders that prove a column's meaning: that one price on all lines is not the price of a piece, or that an
amount on the first line alone is the order's. Fewer orders may be chance."""


@dataclass(frozen=True, slots=True)
class ColumnValues:
    """Evidence of one pass over a file."""

    orders: Orders
    values: ValueCounts

    @classmethod
    def of(cls, names: Sequence[str], columns: Mapping[str, int]) -> ColumnValues:
        """Prepare the evidence for one pass.

        Args:
            names: Names of the file's columns.
            columns: Field -> place of its column; constants lie behind the file's columns.
        """
        amounts = [field for field in _AMOUNTS if columns.get(field, len(names)) < len(names)]
        counting = {*counters(names, columns), *({columns["product_id"]} & set(counters(names, {})))}
        if columns.get("quantity", len(names)) < len(names):
            counting.add(columns["quantity"])
        used = set(columns.values())
        marks = {f"mark {place}": place for place in marks_of(names, used)}
        return cls(
            Orders({**columns, **marks}, [*amounts, *marks], sorted(counting), rivals(names, "customer_id")),
            ValueCounts([place for place in range(len(names)) if place not in used]),
        )

    @property
    def first_alone(self) -> set[int]:
        """Places of the no-sale marks that stand on an order's first line and hold for the whole order."""
        return {
            int(name.removeprefix("mark "))
            for name, amount in self.orders.amount.items()
            if name.startswith("mark ") and amount.first_alone and not amount.unequal
        }

    def note(self, cells: Sequence[Any]) -> None:
        """Add one more row."""
        self.orders.note(cells)
        self.values.note(cells)


def misleading(
    names: Sequence[str],
    columns: Mapping[str, int],
    told: Mapping[str, str],
    seen: ColumnValues,
    avoided: Collection[int],
) -> dict[int, str]:
    """Find columns whose values contradict their names, so that they must not be guessed.

    Args:
        names: Names of the file's columns.
        columns: Field -> place of its column.
        told: Field -> column name, as a person gave it.
        seen: Evidence of all rows.
        avoided: Places of columns that are no longer guessed.

    Returns:
        Place of the column -> sentence with the reason. The sentence is empty where another remark gives the
        reason. Empty where all guesses may stay.
    """
    orders, found = seen.orders, dict[int, str]()
    if "customer_id" not in told:
        better = orders.better_customer(columns["customer_id"])
        if better is not None:
            found |= {place: "" for place in orders.candidates if place != better}
    for field in ("quantity", "product_id"):
        place = columns.get(field, len(names))
        counter = orders.counter.get(place)
        if field not in told and counter and counter.sure and place in counters(names, {}):
            found[place] = (
                f"Column {names[place]!r} counts the lines of every order of several lines "
                f"({counter.counted:,} of them), and is no {field}."
            )
    for field in ("total", "discount"):
        if field in told or field not in orders.amount or not _is_of_orders(field, orders, columns):
            continue
        # Another column may be the line's. `decide` judges the last one.
        if any(place not in {*avoided, *columns.values()} for place in rivals(names, field)):
            place = columns[field]
            found[place] = f"Column {names[place]!r} {_why(orders.amount[field])}: it is the order's."
    return {place: why for place, why in found.items() if place not in avoided}


def decide(found: FileSurvey, seen: ColumnValues) -> None:
    """Settle the meaning of the columns, and add a remark for each decision.

    Raises:
        ColumnsError: No column is the price of a line, or the quantity.
    """
    _decide_customer(found, seen)
    _decide_amounts(found, seen)
    _decide_quantity(found, seen)
    found.first_alone = seen.first_alone


def _decide_customer(found: FileSurvey, seen: ColumnValues) -> None:
    orders, names = seen.orders, found.table.columns
    chosen = found.columns["customer_id"]
    if "customer_id" in found.named or chosen not in orders.candidates:
        return
    kept = orders.customers[chosen]
    for place in orders.candidates:
        if not orders.orders.count or orders.customers[place].count == kept.count:
            continue
        found.remarks.append(
            f"The customer is {names[chosen]!r} ({_count(kept)} of them) and not "
            f"{names[place]!r} ({_count(orders.customers[place])} in {_count(orders.orders)} orders)."
        )


def _decide_amounts(found: FileSurvey, seen: ColumnValues) -> None:
    """Stop counting an amount as the line's where it is the order's."""
    orders, names, columns = seen.orders, found.table.columns, found.columns
    for field, amount in orders.amount.items():
        if field not in _AMOUNTS or not _is_of_orders(field, orders, columns):
            continue
        name = names[columns[field]]
        why = _why(amount)
        if found.named.get(field):
            found.remarks.append(f"Column {name!r} {why}, but counts as the line's {field}, as told.")
            continue
        place = columns.pop(field)
        if field == "total":
            columns.setdefault("order_total", place)
        if not {"unit_price", "total"} & columns.keys():
            raise ColumnsError(
                f"Column {name!r} {why}: it is the order's, and no column is the line's. The file's columns "
                f"are {own(names)}: name the piece's price with --map unit_price=COLUMN or the line's "
                f"amount with --map total=COLUMN; if it is the line's, say --map {field}={name}."
            )
        use = "serves as a check alone" if field == "total" else f"is not counted as the line's {field}"
        found.remarks.append(
            f"Column {name!r} {why}: it is the order's, and {use}; if it is the line's, say "
            f"--map {field}={name}."
        )


def _is_of_orders(field: str, orders: Orders, columns: Mapping[str, int]) -> bool:
    """Return True if an amount is the order's. A price or a rare amount needs more evidence."""
    amount = orders.amount[field]
    if amount.unequal:
        return False
    if field == "unit_price":
        return orders.prices_vary and amount.equal >= _CERTAIN
    harmless = field == "total" and "unit_price" in columns
    return amount.equal > 0 or amount.first_alone >= (1 if harmless else _CERTAIN)


def _why(amount: Amount) -> str:
    if amount.equal:
        return f"is equal on all lines of every order of several lines ({amount.equal:,} of them)"
    return f"stands on the first line alone of all orders that have it ({amount.first_alone:,})"


def _decide_quantity(found: FileSurvey, seen: ColumnValues) -> None:
    """Settle the quantity of a row, or ask a person for it."""
    orders, names, columns = seen.orders, found.table.columns, found.columns
    place = columns.get("quantity")
    if place is None:
        counting = (place for place in counters(names, columns) if orders.counter[place].counts)
        counter = next(counting, None)
        if counter is None:
            raise missing_columns(names, ["quantity"])
        found.remarks.append(
            f"Each row is one piece: no column is a quantity, and {names[counter]!r} counts an order's lines."
        )
        whole = WithConstants(found.table, {"quantity": 1})
        found.table, found.constants, found.pieces = whole, {**found.constants, "quantity": 1}, True
        columns |= whole.places
        return
    if "quantity" in found.named or place not in orders.counter:
        return
    counter_seen = orders.counter[place]
    certain = counter_seen.sure or place in counters(names, {})
    if counter_seen.counts and counter_seen.counted and certain:
        name = names[place]
        question = (
            f"Column {name!r} counts the lines of every order of several lines ({counter_seen.counted:,}): "
            f"say --map quantity={name} if it is the quantity, --map quantity=COLUMN if another is, or "
            "--set quantity=1 if each row is one piece."
        )
        found.undecided += (question,)


def _count(names: Distinct) -> str:
    return f"{'' if names.exact else 'about '}{names.count:,}"
