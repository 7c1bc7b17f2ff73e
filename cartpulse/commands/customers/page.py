"""Page about a customer for people, on terminals of any width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cartpulse.console.terminal import moment
from streams.operations.events import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console, RenderableType

MOST: Final = 10
"""Lines of a section, unless all lines are asked for."""
WIDE: Final = 105
MIDDLE: Final = 78
"""Widths of a terminal, in columns, from which on tables show more columns."""
SETTLES: Final = "A segment changes at a boundary, once a rank has passed its limit by a margin."

NEW: Final = "Known for less than four weeks: the segment may rise, and falls only later."


class Page:
    """Everything known about a customer, in sections.

    Args:
        told: Values of `cartpulse customer --json`.
        console: Console to print on.
        most: Largest number of lines of a section; None for all lines.
    """

    def __init__(self, told: Mapping[str, Any], console: Console, most: int | None = MOST) -> None:
        self._told = told
        self._console = console
        self._most = most

    def show(self) -> None:
        """Print the page."""
        told, out = self._told, self._console.print
        place = f"partition {told['partition']} of {told['partitions']}"
        out(Text.assemble((f"Customer {printable(told['customer_id'])}", "bold"), (f"  {place}", "dim")))
        out(Padding(Text(self._bought()), (0, 0, 0, 2)))
        for sentence in (*self._where(), *as_of(told)):
            out(Padding(Text(sentence, style="dim"), (0, 0, 0, 2)))
        for heading, section in (
            ("Segment", self._segment()),
            ("How they shop", self._cluster()),
            ("Outlook", self._outlook()),
            ("Open alerts", self._alerts()),
            ("Open list", self._list()),
            ("Habits", self._habits()),
            ("Changed habits", self._changes()),
            ("Recommendations", self._recommendations()),
        ):
            lines = list(section)
            if lines:
                out()
                out(Text(heading, style="bold"))
            for line in lines:
                out(Padding(line, (0, 0, 0, 2)))

    def _bought(self) -> str:
        told = self._told
        if not told["baskets"]:
            return f"No purchase yet; {told['spend']:,.2f} {told['currency']} with what was returned."
        return (
            f"{_count(told['baskets'], 'purchase')} on {_count(told['purchase_days'], 'day')}, "
            f"{told['spend']:,.2f} {told['currency']}; first {moment(told['first_purchase'])}, "
            f"last {moment(told['last_purchase'])}{self._odd()}"
        )

    def _where(self) -> Iterator[str]:
        """Name the usual store and the last channel, as far as the purchases name them."""
        store, channel = self._told["usual_store"], self._told["last_channel"]
        parts = [f"Mostly at store {printable(store)}"] if store else []
        if channel:
            parts.append(f"{'last' if parts else 'Last'} by channel {printable(channel)}")
        if parts:
            yield f"{', '.join(parts)}."

    def _odd(self) -> str:
        """Mention events that producers sent twice or too late."""
        late, again = self._told["late"], self._told["duplicates"]
        parts = [f"{late:,} came late"] * bool(late) + [f"{_count(again, 'duplicate')} not counted"] * bool(
            again
        )
        return f"; {', '.join(parts)}" if parts else ""

    def _segment(self) -> Iterator[RenderableType]:
        told = self._told
        if told["segment"] is None and told["label"] is None:
            yield Text("None: too few customers to rank, or nothing bought.")
            return
        yield Text(told["segment"] or "none yet", style="bold green")
        for reason in told["reasons"]:
            yield Text(reason["text"])
        if told["new"]:
            yield Text(NEW, style="dim")
        elif told["label"] is not None and told["label"] != told["segment"]:
            yield Text(f"Ranked by the last boundary's thresholds: {told['label']}. {SETTLES}", style="dim")
        changes = told["segment_changes"][::-1]
        if changes:
            yield _history(changes[: self._most], reasons=self._console.width >= MIDDLE)
        yield from self._more(len(changes), "change", "changes")

    def _cluster(self) -> Iterator[RenderableType]:
        """Yield the cluster, by which it stands out, and which is the second nearest."""
        told = self._told["cluster"]
        if told is None:
            return
        share = f"{told['share']:.0%} of the partition's customers"
        yield Text.assemble((told["name"], "bold green"), (f"  cluster {told['number']}, {share}", "dim"))
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("", "this customer", "cluster", "average", ""):
            table.add_column(title, justify="right" if title else "left")
        for trait in told["traits"]:
            numbers = (f"{trait[name]:,.2f}" for name in ("value", "cluster", "average"))
            table.add_row(trait["measure"].replace("_", " "), *numbers, trait["unit"])
        yield table
        since = told["others_nearer_since"]
        moving = f"; others are nearer since {since}" if since else ""
        second = f"{told['second']['name']} ({told['distance_to_second']:.1f} away)"
        yield Text(f"{told['distance']:.1f} away from its centre, second {second}{moving}", style="dim")

    def _outlook(self) -> Iterator[RenderableType]:
        """Yield what to expect within 90 days."""
        active, spend = self._told["active_90_days"], self._told["expected_spend_90_days"]
        parts = [f"buys again with a chance of {active:.0%}"] if active is not None else []
        parts += [f"spends about {spend:,.0f} {self._told['currency']}"] if spend is not None else []
        if parts:
            yield Text(f"Within 90 days {', '.join(parts)}.")

    def _alerts(self) -> Iterator[RenderableType]:
        alerts = sorted(self._told["open_alerts"], key=lambda alert: (alert["best_date"], alert["category"]))
        chances = {habit["category"]: habit["probability_7_days"] for habit in self._told["habits"]}
        shown = [alert | {"probability_7_days": chances.get(alert["category"])} for alert in alerts]
        if shown:
            yield self._table(_ALERT_COLUMNS, shown[: self._most])
        yield from self._more(len(alerts), "alert", "alerts")
        if not all(alert["sent"] for alert in alerts):
            yield Text("Raised before the service was live, some of them were not sent.", style="dim")

    def _list(self) -> Iterator[RenderableType]:
        told = self._told["open_list"]
        if told is not None:
            yield Text(", ".join(map(printable, told["categories"])))
            unsent = "" if told["sent"] else "; made before the service was live, it was not sent"
            yield Text(
                f"for {told['shopping_day']}, open until {moment(told['valid_until'])}{unsent}", style="dim"
            )

    def _habits(self) -> Iterator[RenderableType]:
        habits = self._told["habits"]
        known = sorted((habit for habit in habits if _wanted(habit)), key=_when)
        shown = known[: self._most]
        if shown:
            yield self._table(_HABIT_COLUMNS, shown)
        yield from self._more(len(known), "habit", "habits")
        if any(habit["bought_on_open_day"] for habit in shown):
            yield Text(
                "* bought again on a day that is not closed; dates and chances do not know of it yet.",
                style="dim",
            )
        rare = sorted(printable(habit["category"]) for habit in habits if not habit["enough_known"])
        if rare:
            names = "" if self._most is not None else f": {', '.join(rare)}"
            categories = _count(len(rare), "category", "categories")
            yield Text(f"{categories} bought too rarely to say when next{names}", style="dim")

    def _changes(self) -> Iterator[RenderableType]:
        """Yield the habits that are others than they were, the latest change first."""
        changed = [habit for habit in self._told["habits"] if habit["change"]]
        changed.sort(key=lambda habit: (habit["change"]["since"], habit["category"]), reverse=True)
        for habit in changed[: self._most]:
            yield Text(f"{printable(habit['category'])}: {habit['change']['text']}")
        yield from self._more(len(changed), "change", "changes")

    def _recommendations(self) -> Iterator[RenderableType]:
        """Yield the items of the last recommendation event: kind, name, score and the reason in words."""
        event = self._told["recommendations"]
        items = event.get("items") if isinstance(event, dict) else None
        told = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        if not told:
            return
        table = Table.grid(padding=(0, 2))
        for item in told[: self._most]:
            table.add_row(*_item(item))
        yield table
        products = event.get("products")
        named = [each for each in products if isinstance(each, dict)] if isinstance(products, list) else []
        if named:
            names = (each.get("product_name") or each.get("product_id") for each in named[: self._most])
            yield Text(f"products: {', '.join(printable(str(name)) for name in names)}")
        yield Text(f"of {moment(event.get('occurred_at'))}", style="dim")

    def _table(self, columns: Sequence[_Column], rows: Sequence[Mapping[str, Any]]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        shown = [column for column in columns if self._console.width >= column.least_width]
        for column in shown:
            table.add_column(
                column.title,
                justify="right" if column.number else "left",
                overflow="fold",
                no_wrap=column.title != "category",
            )
        for row in rows:
            table.add_row(*(column.shown(row) for column in shown))
        return table

    def _more(self, count: int, one: str, many: str) -> Iterator[Text]:
        """Say how many entries a section leaves out."""
        left = 0 if self._most is None else count - self._most
        if left > 0:
            yield Text(f"and {_count(left, one, many)} more: --all shows them", style="dim")


class _Column(NamedTuple):
    """Column of a table."""

    title: str
    shown: Callable[[Mapping[str, Any]], str]
    least_width: int = 0
    """Width of the terminal, in columns, from which on the column is shown."""
    number: bool = False


def as_of(told: Mapping[str, Any]) -> Iterator[str]:
    """Say how far event time has come, and which days the page does not include yet."""
    at = told["as_of"]
    closed = f"days up to {at['closed_day']} are closed" if at["closed_day"] else "no day is closed yet"
    yield f"As of {moment(at['watermark'])} by the events; {closed}."
    if at["closing_day"]:
        yield f"{at['closing_day']} is being closed; this customer's turn may still come."
    for day in told["open_days"]:
        yield f"{day} is not closed: spend and segment count it, habits learn from it when it closes."
    if at["history"]:
        yield "The service loads history and is not live: nothing of this was sent."
    if told["held_out"]:
        yield "This customer is held out: what would be sent goes to `exposures` instead."


def _wanted(habit: Mapping[str, Any]) -> bool:
    """Return True if the alerts above do not show this habit already."""
    return bool(habit["enough_known"]) and habit["alert"] != "raised"


def _when(habit: Mapping[str, Any]) -> tuple[str, float, str]:
    """Sort key of a habit: the next date first, the likeliest of one date first."""
    return habit["expected_date"], -habit["probability_7_days"], habit["category"]


def _history(changes: Sequence[Mapping[str, Any]], *, reasons: bool) -> Table:
    table = Table.grid(padding=(0, 2))
    for change in changes:
        why = (change.get("reasons") or [{}])[0].get("text", "") if reasons else ""
        step = f"{change.get('from') or 'new'} -> {change.get('to')}"
        day = str(change.get("occurred_at"))[:10]
        table.add_row(Text(day, style="dim"), printable(step), Text(printable(why), style="dim"))
    return table


def _item(item: Mapping[str, Any]) -> tuple[Text, ...]:
    product = item.get("product_name")
    name = str(item.get("category", "?")) + (f": {product}" if product else "")
    score = item.get("score")
    return (
        Text(printable(str(item.get("kind", ""))), style="dim"),
        Text(printable(name)),
        Text(f"{score:.2f}" if isinstance(score, int | float) else ""),
        Text(printable(str(item.get("reason", ""))), style="dim"),
    )


def _starred(habit: Mapping[str, Any]) -> str:
    return printable(habit["category"]) + ("*" if habit["bought_on_open_day"] else "")


def _interval(told: Mapping[str, Any]) -> str:
    low, high = told["interval_low"], told["interval_high"]
    return f"{low[5:]} to {high[5:]}" if low[:4] == high[:4] else f"{low} to {high}"


def _chance(days: int) -> Callable[[Mapping[str, Any]], str]:
    def shown(told: Mapping[str, Any]) -> str:
        share = told[f"probability_{days}_days"]
        return "" if share is None else f"{share:.0%}"

    return shown


_ALERT_COLUMNS: Final = (
    _Column("category", lambda alert: printable(alert["category"])),
    _Column("aimed at", lambda alert: alert["best_date"]),
    _Column("80 % interval", _interval, MIDDLE),
    _Column("7 days", _chance(7), number=True),
    _Column("raised", lambda alert: alert["raised_at"][:10], WIDE),
    _Column("open until", lambda alert: moment(alert["valid_until"]), MIDDLE),
)
_CYCLES: Final = {
    "unplanned": "",
    "planned": "planned",
    "raised": "open",
    "fulfilled": "fulfilled",
    "lapsed": "lapsed",
}
_HABIT_COLUMNS: Final = (
    _Column("category", _starred),
    _Column("days", lambda habit: str(habit["purchases"]), WIDE, number=True),
    _Column("usual", lambda habit: f"{habit['usual_quantity']:g}", WIDE, number=True),
    _Column("last", lambda habit: habit["last_purchase"], WIDE),
    _Column("every", lambda habit: f"{habit['typical_interval_days']:g} d", MIDDLE, number=True),
    _Column("next", lambda habit: habit["expected_date"]),
    _Column("80 % interval", _interval, MIDDLE),
    _Column("7 days", _chance(7), number=True),
    _Column("14 days", _chance(14), WIDE, number=True),
    _Column("28 days", _chance(28), WIDE, number=True),
    _Column("alert", lambda habit: _CYCLES[habit["alert"]], MIDDLE),
)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
