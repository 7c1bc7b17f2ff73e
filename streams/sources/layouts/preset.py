"""A layout that is known by name: by which columns it is recognised, and which of them is what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Columns by which the lines of one order say which of them are parts of another, all by their names."""

    item: str
    """Number of the line."""
    parent: str
    """Number of the line that it is a part of; empty or 0 for one by itself."""
    kind: str
    """Sort of product, with `bundle` for one that may be sold by its parts' prices."""
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One layout, as data.

    Usage::

        Preset(
            name="some-shop",
            title="Some Shop, orders",
            source="https://...",
            signs=("order_ref", "buyer", "placed"),
            columns={"customer_id": "buyer", "product_id": ("sku", "title")},
        )
    """

    name: str
    """Name for `--preset`: lower case, with hyphens."""
    title: str
    """Whose layout it is, for a person."""
    source: str
    """Address of the page that describes its columns."""
    signs: tuple[str, ...]
    """Columns, or paths in JSON, by which it is known: a file that has all of them is of this layout."""
    columns: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    """Field to column. Of several columns, the first that is not empty in the row counts. Ids, moments and
    amounts that are not named here are left out, so that an order's total is not taken for its line's."""
    items: str = ""
    """Path of the list of lines in nested JSON, such as `line_items[]`."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Field to the value that it has in every row."""
    fill: tuple[str, ...] = ()
    """Columns that stand on the first line of an order alone, and hold for its other lines too."""
    within: str = ""
    """Column whose equal values, one below the other, are the lines of one order; needed with `fill`
    and `family`."""
    family: Family | None = None
    """Lines that are parts of others, of which only one counts."""
    status: str | None = None
    """Column that says whether an order was cancelled or refunded."""
    sales: tuple[str, ...] = ()
    """Values of that column, in lower case, with which a row counts here, whatever they mean elsewhere:
    a refund of a negative quantity is a return."""
    zone: str = ""
    """Column that names the time zone of the row's `time`."""
    purchases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column to the values with which a row is a purchase, in lower case; other rows are refused."""
    moments: str = ""
    """Writing of moments where a text alone would not tell: `us` and `ms` for numbers since 1970, `utc`
    for texts without an offset that are UTC, else a format of `strptime`, several parted by `|`."""
    minor_units: tuple[str, ...] = ()
    """Fields of amounts in the currency's smallest unit, such as cents."""

    def fits(self, names: Collection[str]) -> bool:
        """Tell whether a file with columns of these names, each in its `plain` form, is of this layout."""
        return all(plain(sign) in names for sign in self.signs)


def plain(name: str) -> str:
    """A column's name as layouts are compared by: in lower case, with single blanks."""
    return " ".join(name.lower().split())
