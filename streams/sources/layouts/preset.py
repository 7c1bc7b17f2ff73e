"""Layout with a name: the columns by which it is recognised, and the field of each column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Names of the columns that show which lines of an order are parts of other lines."""

    item: str
    """Number of the line."""
    parent: str
    """Number of the line to which this line belongs as a part; empty or 0 for a line by itself."""
    kind: str
    """Sort of product, with `bundle` for a product that may be sold by its parts' prices."""
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Layout, as data.

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
    """Owner and kind of the layout, for a person."""
    source: str
    """Address of the page that describes the columns."""
    signs: tuple[str, ...]
    """Columns, or paths in JSON, by which the layout is recognised. A file that has all of them has this
    layout."""
    columns: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    """Field -> column. If several columns are given, the first that is not empty in the row counts. Ids,
    moments and amounts that are not named here are left out, so that an order's total is not taken for its
    line's."""
    items: str = ""
    """Path of the list of lines in nested JSON, such as `line_items[]`."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Field -> value in every row."""
    fill: tuple[str, ...] = ()
    """Columns that stand on the first line of an order alone, and hold for its other lines too."""
    within: str = ""
    """Column whose equal values, one below the other, mark the lines of one order; needed with `fill` and
    `family`."""
    family: Family | None = None
    """Columns of lines that are parts of other lines, so that only one of them counts."""
    status: str | None = None
    """Column of the order's status: cancelled, refunded, and so on."""
    sales: tuple[str, ...] = ()
    """Values of the status column, in lower case, with which a row counts in this layout, whatever they mean
    elsewhere: a refund of a negative quantity is a return."""
    zone: str = ""
    """Column that names the time zone of the row's `time`."""
    purchases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column -> values with which a row is a purchase, in lower case; other rows are refused."""
    moments: str = ""
    """Written form of moments where the text alone does not show it: `us` and `ms` for numbers since 1970,
    `utc` for texts in UTC without an offset, else a format of `strptime`, several separated by `|`."""
    minor_units: tuple[str, ...] = ()
    """Fields of amounts in the currency's smallest unit, such as cents."""

    def fits(self, names: Collection[str]) -> bool:
        """Return True if a file has this layout.

        Args:
            names: Names of the file's columns, each in its `plain` form.
        """
        return all(plain(sign) in names for sign in self.signs)


def plain(name: str) -> str:
    """Reduce a column's name for comparison with layouts: to lower case, with single blanks."""
    return " ".join(name.lower().split())
