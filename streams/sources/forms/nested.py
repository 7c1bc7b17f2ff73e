"""Nested objects as rows: one row per line of an order, with the order's fields repeated on each row.

Columns are named by their paths: `customer.id` is the `id` in `customer`, `lineItems[].sku` the `sku` of
each element of the list `lineItems`. One list is spread into rows; `orders[].items[]` spreads the lists
within a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from streams.sources.columns import FIELDS, ColumnsError, recognised
from streams.sources.forms.tables import TableRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LIST: Final = "[]"
"""Mark behind the name of a list that is spread into rows."""
_DEEPEST: Final = 12
"""Levels of nested objects whose columns are named."""
_MOST_ELEMENTS: Final = 20
"""Elements of one list in which names are looked for."""

OF_LINES: Final = ("product_id", "name", "category", "quantity", "unit_price", "total", "discount")
"""Fields that belong to each line of an order; all other fields belong to the order."""
_LINE_FIELDS: Final = {name: FIELDS[name] for name in OF_LINES}
_ORDER_FIELDS: Final = {name: guesses for name, guesses in FIELDS.items() if name not in OF_LINES}
_AMOUNTS: Final = {"unit_price", "total"}
_OF_WHAT_HOLDS_THEM: Final = {"amount", "value"}
"""Names of numbers within an object whose own name gives the meaning, as in `price.amount`."""


class Column(NamedTuple):
    """Column, and the path to its value."""

    level: int
    """Number of lists around the column."""
    steps: tuple[str, ...]
    """Names that lead to the column from the elements of the innermost list."""


class Shape:
    """Spreading of objects into rows.

    Args:
        columns: Name -> column.
        items: Path of the list to spread, such as `lineItems[]`; empty for one row per object.
    """

    def __init__(self, columns: Mapping[str, Column], items: str = "") -> None:
        self.columns = list(columns)
        self.items = items
        self._lists = [tuple(part.strip(".").split(".")) for part in items.split(LIST)[:-1]]
        self._getters = tuple(columns.values())
        self.is_flat = not items and all(len(column.steps) == 1 for column in self._getters)
        """True if each object is a row, and each of its values a cell."""
        self._names = [column.steps[0] for column in self._getters]

    def row(self, number: int, record: dict[str, Any], text: str) -> TableRow:
        """Return the one row of an object that holds no nested objects."""
        get = record.get
        return TableRow(number, [get(name) for name in self._names], text, "")

    def rows(self, number: int, record: dict[str, Any], text: str) -> Iterator[TableRow]:
        """Yield the rows of one object. An empty list to spread gives one row with a fault."""
        for levels in self._spread([record], 0):
            cells = [
                value_at(levels[level], steps) if level < len(levels) else None
                for level, steps in self._getters
            ]
            fault = "" if len(levels) > len(self._lists) else f"has no lines: {self.items} holds nothing"
            own = shown(dict(zip(self.columns, cells, strict=True))) if self._lists or not text else text
            yield TableRow(number, cells, own, fault)

    def _spread(self, levels: list[Any], depth: int) -> Iterator[list[Any]]:
        """Yield the objects around each line, outermost first; fewer where a list holds no lines."""
        if depth == len(self._lists):
            yield levels
            return
        found = value_at(levels[-1], self._lists[depth])
        elements = [found] if isinstance(found, dict) else found
        lines = [each for each in elements if isinstance(each, dict)] if isinstance(elements, list) else []
        if not lines:
            yield levels
        for line in lines:
            yield from self._spread([*levels, line], depth + 1)


def value_at(record: Any, steps: tuple[str, ...]) -> Any:
    """Return the value at the end of a path, through lists of one element; None where the path ends early."""
    for step in steps:
        if isinstance(record, list) and len(record) == 1:
            record = record[0]
        if not isinstance(record, dict):
            return None
        record = record.get(step)
    return record


def shown(record: dict[str, Any]) -> str:
    """Write an object as JSON, for a person."""
    return msgspec.json.encode(record, enc_hook=str).decode()


class Paths:
    """Names and lists in the first objects of a file."""

    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        self.columns: dict[str, Column] = {}
        """Path -> column, those within lists of objects too."""
        self.lists: list[str] = []
        """Paths of the lists of objects, each with `[]` at its end."""
        for record in records:
            self._look(record, "", 0, ())

    def _look(self, record: Mapping[str, Any], before: str, level: int, steps: tuple[str, ...]) -> None:
        for name, value in record.items():
            path, inner = before + name, (*steps, name)
            if isinstance(value, dict) and value and len(inner) < _DEEPEST:
                self._look(value, f"{path}.", level, inner)
                continue
            objects = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
            if objects and level < _DEEPEST:
                if path + LIST not in self.lists:
                    self.lists.append(path + LIST)
                for each in objects[:_MOST_ELEMENTS]:
                    self._look(each, f"{path}{LIST}.", level + 1, ())
            else:
                self.columns.setdefault(path, Column(level, inner))

    @property
    def is_nested(self) -> bool:
        """True if an object holds another object, or a list of objects."""
        return bool(self.lists) or any(len(column.steps) > 1 for column in self.columns.values())

    def shape(self, items: str = "", also: Iterable[str] = ()) -> Shape:
        """Choose the columns, and the list that is spread into rows.

        Args:
            items: Path of the list to spread; empty for one row per object.
            also: Paths that become columns even if the first objects do not hold them.

        Raises:
            ColumnsError: The objects hold no such list, or a path lies in another list.
        """
        if items and items not in self.lists:
            raise ColumnsError(
                f"There is no list {items!r} in the first orders; there is {', '.join(self.lists) or 'none'}."
            )
        prefixes = _prefixes(items)
        columns = {
            path: column
            for path, column in self.columns.items()
            if column.level <= len(prefixes) and _within(path, column.level, prefixes)
        }
        for path in also:
            if path not in columns:
                columns[path] = _told(path, prefixes)
        for path in self.lists if not items else ():
            if path.count(LIST) == 1:
                columns.setdefault(
                    path.removesuffix(LIST), Column(0, tuple(path.removesuffix(LIST).split(".")))
                )
        return Shape(columns, items)

    def items(self) -> str:
        """Return the list of an order's lines, found by its elements' fields; empty for flat objects.

        Raises:
            ColumnsError: Several lists may be meant.
        """
        outside = [path for path, column in self.columns.items() if column.level == 0]
        if {"product_id", "quantity"} <= recognised(outside, {}, _LINE_FIELDS).keys():
            return ""
        lines = [path for path in self.lists if self._is_of_lines(path)]
        with_quantity = [path for path in lines if "quantity" in self._fields_in(path)] or lines
        shallowest = min((path.count(LIST) for path in with_quantity), default=0)
        found = [path for path in with_quantity if path.count(LIST) == shallowest]
        if len(found) > 1:
            raise ColumnsError(
                f"Orders hold several lists that may be their lines: {', '.join(found)}. Say which one is "
                f"meant with --map items={found[0]}"
            )
        return found[0] if found else ""

    def _is_of_lines(self, path: str) -> bool:
        fields = self._fields_in(path)
        return bool({"product_id", "name"} & fields) and bool({"quantity", *_AMOUNTS} & fields)

    def _fields_in(self, path: str) -> set[str]:
        inside = [name for name in self.columns if _within_list(name, path)]
        aliases = [_item_alias(name.removeprefix(f"{path}.")) for name in inside]
        return set(recognised(aliases, {}, _LINE_FIELDS))


def guessed(columns: Sequence[str], items: str) -> dict[str, str]:
    """Guess columns by the last parts of their paths: the order's outside the list, the line's inside it.

    Returns:
        Field -> column. A field of a line that the list does not hold gets an empty column, so that it is not
        taken from the order: an order's total is not the line's.
    """
    inside = [name for name in columns if items and name.startswith(f"{items}.")]
    outside = sorted((name for name in columns if name not in inside), key=lambda name: name.count("."))
    fields: dict[str, str] = {}
    aliases = [_item_alias(name.removeprefix(f"{items}.")) for name in inside]
    for field, place in recognised(aliases, {}, _LINE_FIELDS).items():
        fields[field] = inside[place]
    if items:
        fields = {field: fields.get(field, "") for field in OF_LINES}
    else:
        leaves = [_leaf(name) for name in outside]
        fields |= {f: outside[place] for f, place in recognised(leaves, {}, _LINE_FIELDS).items()}
    whole = recognised(outside, {}, _ORDER_FIELDS)
    rooted = recognised([_order_alias(name) for name in outside], {}, _ORDER_FIELDS)
    leaves = [_leaf(name) for name in outside]
    by_leaf = recognised(leaves, {}, _ORDER_FIELDS)
    in_lines = recognised(aliases, {}, _ORDER_FIELDS)
    for field in _ORDER_FIELDS:
        for found, names in ((whole, outside), (by_leaf, outside), (rooted, outside), (in_lines, inside)):
            if field in found and field not in fields:
                fields[field] = names[found[field]]
    return fields


def _leaf(path: str) -> str:
    return path.rpartition(".")[2]


def _item_alias(path: str) -> str:
    """Return the last part of a path within a line.

    The line's `id` becomes the item's id. A number `amount` or `value` takes the name of the enclosing
    object.
    """
    before, _, leaf = path.rpartition(".")
    if leaf in _OF_WHAT_HOLDS_THEM and before:
        return _leaf(before)
    return "item id" if path == "id" else leaf if leaf != "id" else path


def _order_alias(path: str) -> str:
    return f"order {path}" if "." not in path else path


def _within_list(name: str, path: str) -> bool:
    return name.startswith(f"{path}.") and name.count(LIST) == path.count(LIST)


def _prefixes(items: str) -> list[str]:
    """Return `a[]` and `a[].b[]` for `a[].b[]`."""
    parts = items.split(LIST)[:-1]
    return [LIST.join(parts[: count + 1]) + LIST for count in range(len(parts))]


def _within(path: str, level: int, prefixes: list[str]) -> bool:
    return level == 0 or path.startswith(f"{prefixes[level - 1]}.")


def _told(path: str, prefixes: list[str]) -> Column:
    for level, prefix in reversed(list(enumerate(prefixes, 1))):
        if path.startswith(f"{prefix}."):
            rest = path.removeprefix(f"{prefix}.")
            if LIST not in rest:
                return Column(level, tuple(rest.split(".")))
    if LIST in path:
        raise ColumnsError(
            f"{path!r} lies in a list that is not spread into rows: name it with --map items=..."
        )
    return Column(0, tuple(path.split(".")))
