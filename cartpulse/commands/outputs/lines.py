"""Output event as one line for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cartpulse.console.terminal import moment
from streams.operations.events import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.operations.events import OutputEvent

FIRST_BYTES = 80
"""Bytes shown of a value that is no event."""
LEAST_TOLD_CHANCE = 0.005
"""Smallest probability that is shown; a smaller one rounds to 0 %."""


def line(seen: OutputEvent) -> str:
    """Describe the event in one line: time, kind, customer, and the rest."""
    value = seen.value or {}
    if seen.kind == "dead-letter" or seen.value is None:
        when, what, rest = "", "dead letter" if seen.kind else seen.topic, _letter(seen)
    else:
        at = value.get("occurred_at")
        when = moment(at if isinstance(at, str) else seen.headers.get("ce_time"))
        what, tell = _KINDS.get(seen.kind, (seen.kind or seen.topic, _fields))
        what = f"{what} {value['state']}" if isinstance(value.get("state"), str) else what
        rest = tell(value)
    whose = seen.key if seen.key is not None else "-"
    return printable(f"{when:<20}  {what:<16}  {whose:<10}  {rest}".strip())


def _alert(value: dict[str, Any]) -> str:
    # A long lead (CARTPULSE_ALERT_LEAD_DAYS) looks beyond a week. "0%" would contradict the date there.
    chance = _percent(value.get("probability_7_days"))
    return f"{_expected(value)}{f', {chance} within 7 days' if chance else ''}"


def _closing(value: dict[str, Any]) -> str:
    chance = _percent(value.get("hit_probability"))
    return f"{_expected(value)}{f', said {chance}' if chance else ''}"


def _list(value: dict[str, Any]) -> str:
    """Name the categories of a replenishment list, with their chances."""
    items = [item for item in value.get("items") or () if isinstance(item, dict)]
    named = [f"{item.get('category')} {_percent(item.get('probability_7_days'))}".strip() for item in items]
    return f"for {value.get('shopping_day')}: {', '.join(named)}"


def _list_closing(value: dict[str, Any]) -> str:
    bought, left = value.get("bought") or (), value.get("not_bought") or ()
    return f"bought {', '.join(bought) or 'nothing'}{', not ' if left else ''}{', '.join(left)}"


def _lapse(value: dict[str, Any]) -> str:
    seen = value.get("evidence") or {}
    return (
        f"{value.get('category')}, not bought for {value.get('days_since')} days, "
        f"before every {seen.get('typical_interval_days')}"
    )


def _expected(value: dict[str, Any]) -> str:
    return f"{value.get('category')}, expected {value.get('best_date')}"


def _percent(chance: object) -> str:
    """Write a probability in whole percent; nothing where there is none or it rounds to 0."""
    return f"{chance:.0%}" if isinstance(chance, int | float) and chance >= LEAST_TOLD_CHANCE else ""


def _change(value: dict[str, Any]) -> str:
    reasons = value.get("reasons") or [{}]
    return f"{value.get('from') or 'new'} -> {value.get('to')}: {reasons[0].get('text', '')}"


def _moved(value: dict[str, Any]) -> str:
    """Name the clusters of a change, and the feature by which the new one stands out most."""
    before, now = value.get("from") or {}, value.get("to") or {}
    trait = next((each for each in value.get("traits") or () if isinstance(each, dict)), {})
    why = f": {trait.get('measure')} {trait.get('value')}, average {trait.get('average')}" if trait else ""
    return f"{before.get('name') or 'none'} -> {now.get('name')}{why}"


def _items(value: dict[str, Any]) -> str:
    """List the items and the products of a recommendation by name."""
    items, products = (
        [each for each in value.get(name) or () if isinstance(each, dict)] for name in ("items", "products")
    )
    names = [str(item.get("product_name") or item.get("category", "?")) for item in items]
    named = [str(each.get("product_name") or each.get("product_id", "?")) for each in products]
    more = f"; products: {', '.join(named)}" if named else ""
    return f"{len(names)} items: {', '.join(names)}{more}"


def _replayed(value: dict[str, Any]) -> str:
    place = f"{value.get('topic')}[{value.get('partition')}]@{value.get('offset')}"
    return f"letter {value.get('letter_id')} as {place}"


def _fields(value: dict[str, Any]) -> str:
    """Write an event of a kind that this release does not support, as JSON.

    `customer_id` and `occurred_at` are left out, because the line has them already.
    """
    return json.dumps({name: value[name] for name in value if name not in ("customer_id", "occurred_at")})


def _letter(seen: OutputEvent) -> str:
    told = seen.headers
    if "stage" not in told:
        return seen.raw[:FIRST_BYTES].decode(errors="backslashreplace")
    place = f"{told.get('topic')}[{told.get('partition')}]@{told.get('offset')}"
    field = f" {told['field']}:" if told.get("field") else ""
    return f"{place} {told['stage']}/{told.get('error')}:{field} {told.get('reason')}"


_KINDS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "replenishment-alert": ("alert", _alert),
    "alert-closing": ("alert", _closing),
    "replenishment-list": ("list", _list),
    "list-closing": ("list", _list_closing),
    "lapsed-habit": ("habit", _lapse),
    "segment-change": ("segment", _change),
    "cluster-change": ("cluster", _moved),
    "recommendation": ("recommended", _items),
    "recommendations": ("recommended", _items),
    "dead-letter-replayed": ("replayed", _replayed),
}
