"""Grouping of sorted lines into events: one customer, basket number, store and time make one basket.

An event's id is the basket number and a hash of all four. Basket numbers may therefore be used again, as
receipt numbers are, and a file that is sent twice or in another order counts once. Without a number, the id
is a hash of the four and of the lines (product, quantity, price, discount; in any order). Two tills' files
of one day without times are therefore two purchases, and one file sent twice is one purchase.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec import structs

from models.contracts.purchases import MOST_LINES
from models.contracts.timestamps import instant_of, text_of
from models.records.columns import UNKNOWN_TIME
from models.records.decoder import RUN, Decoder, Raw
from streams.sources.basket import Basket, BasketItem
from streams.sources.bounded.counting import Distinct, Frequent
from streams.sources.feed import Feed
from streams.sources.files.lines import ROUNDING, Refused
from streams.sources.files.unread import UnreadStatuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from models.contracts.changes import Refusal
    from models.settings import LedgerSettings
    from streams.sources.files.line import Line

WHOLE: Final = "the whole amount refunded"
"""Reason to leave out an order that was refunded in full. Other reasons are statuses."""
_HASH_DIGITS: Final = 16
_LONE_HASH_DIGITS: Final = 32


class Sold(Protocol):
    """Object with a product and its category."""

    @property
    def product_id(self) -> str:
        """Identifier of the product."""

    @property
    def category(self) -> str:
        """Category of the product."""


@dataclass(slots=True)
class Grouped:
    """Counts of the lines grouped so far."""

    baskets: int = 0
    """Events, returns among them."""
    returns: int = 0
    lines: int = 0
    """Lines of those events."""
    repeated: int = 0
    """Lines equal in every field to an earlier line of their basket: two of a kind at a till, or a copy."""
    longest_gap: tuple[int, int] = (0, 0)
    """Two neighbouring event times with the largest gap, ms since 1970 UTC; equal where there are none."""
    first: int = 0
    """Time of the first basket, ms since 1970 UTC."""
    last: int = 0
    """Time of the last basket, ms since 1970 UTC."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Status such as `status=cancelled` -> lines that are no sale by that status."""
    partly_refunded: int = 0
    """Lines of orders refunded in part, or refunded by an unknown amount; all such lines count in full."""
    agreeing: int = 0
    """Orders whose amount in the file equals the sum of their lines."""
    differing: int = 0
    """Orders whose amount in the file differs from the sum of their lines."""
    customers: Frequent = field(default_factory=Frequent)
    """Customers by the number of their baskets."""
    distinct_customers: Distinct = field(default_factory=Distinct)
    products: Distinct = field(default_factory=Distinct)
    categories: Distinct = field(default_factory=Distinct)

    def add(self, at: int, customer: str, items: Iterable[Sold], *, brought_back: bool = False) -> None:
        """Count one more basket. Baskets must come in order of time.

        Args:
            at: Event time, ms since 1970 UTC.
            customer: Customer id.
            items: Things bought; each counts as a line.
            brought_back: True for a return.
        """
        self.customers.add(customer)
        self.distinct_customers.add(customer)
        for item in items:
            self.lines += 1
            self.products.add(item.product_id)
            self.categories.add(item.category)
        self.first = self.first if self.baskets else at
        self.baskets += 1
        self.returns += brought_back
        before, after = self.longest_gap
        if self.last and at - self.last > after - before:
            self.longest_gap = (self.last, at)
        self.last = at


@dataclass(slots=True)
class _Draft:
    """Basket that the contract has not accepted yet, and its lines."""

    basket: Basket
    lines: list[Line]
    at: int
    value: bytes = field(default=b"")


class _Content:
    """Hash of the lines of one basket, independent of their order.

    Names and categories are left out of the hash, because a shop may correct them later.
    """

    def __init__(self) -> None:
        self._sum = 0

    def add(self, line: Line) -> None:
        """Add one more line."""
        parts = (line.product_id, line.quantity, line.unit_price, line.discount)
        digest = sha256(msgspec.msgpack.encode(parts)).digest()
        self._sum = (self._sum + int.from_bytes(digest, "big")) % (1 << 256)

    @property
    def digest(self) -> bytes:
        """Digest of 32 bytes, equal for equal lines that came equally often."""
        return self._sum.to_bytes(32, "big")


def event_id(line: Line, content: bytes) -> str:
    """Make the id of the event that a line belongs to.

    Args:
        line: Any line of the basket.
        content: Hash of all lines of the basket; used only where the basket has no number.
    """
    parts = (line.customer_id, line.basket_id, line.store_id, str(line.occurred_at))
    digest = sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(4, "big") + data)
    if not line.basket_id:
        digest.update(content)
        return digest.hexdigest()[:_LONE_HASH_DIGITS]
    return f"{line.basket_id}-{digest.hexdigest()[:_HASH_DIGITS]}"


def baskets(
    lines: Iterable[Line],
    settings: LedgerSettings,
    refuse: Callable[[Refused], None],
    grouped: Grouped,
    *,
    drop_repeated: bool = False,
    unread: UnreadStatuses | None = None,
) -> Iterator[Feed]:
    """Group sorted lines into events that the contract accepts.

    A line that the contract refuses is taken out of its basket, and the rest of the basket is yielded.

    Args:
        lines: Lines, sorted by `Line.basket`.
        settings: Ledger settings: the currency.
        refuse: Called with every line that is not sent.
        grouped: Counts the events yielded.
        drop_repeated: Refuse a line that repeats another line of its basket.
        unread: Statuses of orders, from rows that could not be read.
    """
    reason = (unread or UnreadStatuses()).reason
    checker = _Checker(settings, refuse)
    encode = msgspec.json.Encoder().encode
    groups = (_sold(group, grouped, reason) for _, group in groupby(lines, key=lambda line: line.basket))
    drafts = (
        draft
        for group in groups
        if (draft := _draft(group, settings.currency, refuse, grouped, drop_repeated=drop_repeated))
    )
    while run := list(islice(drafts, RUN)):
        for draft in run:
            draft.value = encode(draft.basket)
        for draft in checker.accepted(run):
            basket = draft.basket
            grouped.add(draft.at, basket.customer_id, draft.lines, brought_back=basket.kind == "return")
            yield Feed(basket.customer_id.encode(), draft.value, draft.at)


class _Checker:
    """Check of baskets against the contract."""

    def __init__(self, settings: LedgerSettings, refuse: Callable[[Refused], None]) -> None:
        self._decode = Decoder(settings).decode
        self._refuse = refuse
        self._encode = msgspec.json.Encoder().encode

    def accepted(self, drafts: list[_Draft]) -> Iterator[_Draft]:
        """Yield the drafts that the contract accepts, in their order. A bad line costs only itself."""
        faults = self._faults(drafts)
        for index, draft in enumerate(drafts):
            fault = faults.get(index)
            if fault is not None and _item(fault.field) is not None:
                self._take_out_lines(draft)
                fault = self._faults([draft]).get(0) if draft.lines else None
            if fault is not None:
                self._take_out(draft, fault)
            if draft.lines:
                yield draft

    def _faults(self, drafts: list[_Draft]) -> dict[int, Refusal]:
        _, refusals = self._decode(
            [Raw(index, draft.value, UNKNOWN_TIME) for index, draft in enumerate(drafts)]
        )
        return {refusal.offset: refusal for refusal in refusals}

    def _take_out_lines(self, draft: _Draft) -> None:
        """Refuse the lines that the contract would refuse alone; keep the others."""
        alone = [_Draft(_with(draft.basket, [line]), [line], draft.at) for line in draft.lines]
        for one in alone:
            one.value = self._encode(one.basket)
        faults = self._faults(alone)
        kept = []
        for index, line in enumerate(draft.lines):
            fault = faults.get(index)
            if fault is None or _item(fault.field) is None:
                kept.append(line)
                continue
            name = fault.field.rpartition(".")[2]
            reason = fault.reason.replace(fault.field, name, 1)
            self._refuse(
                Refused(line.number, f"{name} breaks the contract ({fault.error})", reason, line.text)
            )
        draft.lines = kept
        if kept:
            draft.basket = _with(draft.basket, kept)
            draft.value = self._encode(draft.basket)

    def _take_out(self, draft: _Draft, fault: Refusal) -> None:
        """Refuse a whole basket, line by line."""
        sort = f"{fault.field or 'basket'} breaks the contract ({fault.error})"
        for line in draft.lines:
            self._refuse(Refused(line.number, sort, fault.reason, line.text))
        draft.lines = []


def _draft(
    sold: tuple[Iterator[Line], _Content],
    currency: str,
    refuse: Callable[[Refused], None],
    grouped: Grouped,
    *,
    drop_repeated: bool,
) -> _Draft | None:
    # Stage 1: the lines to send. A repeated line is counted, and refused where a person asked for it.
    lines: list[Line] = []
    seen: dict[tuple[object, ...], int] = {}
    group, content = sold
    for line in group:
        said = (
            *(line.product_id, line.category, line.name, line.quantity),
            *(line.unit_price, line.discount),
        )
        first = seen.setdefault(said, line.number)
        if first != line.number:
            grouped.repeated += 1
            if drop_repeated:
                refuse(
                    Refused(line.number, "repeated line", f"Repeats line {first} of its basket.", line.text)
                )
                continue
        lines.append(line)
        # A basket of too many lines is refused as soon as that is clear, so that memory stays bounded.
        if len(lines) > MOST_LINES:
            _overfull(lines, group, refuse)
            return None
    # Stage 2: the basket, unless all of it was left out or paid back. The hash is complete only now, because
    # the lines have been read to the end.
    if not lines or _is_refunded(lines, grouped):
        return None
    first_line = lines[0]
    return _Draft(
        Basket(
            event_id(first_line, content.digest),
            first_line.customer_id,
            text_of(instant_of(first_line.occurred_at)),
            first_line.store_id or None,
            next((line.channel for line in lines if line.channel), None),
            currency,
            _kind(lines),
            [_as_item(line) for line in lines],
        ),
        lines,
        first_line.occurred_at,
    )


def _sold(
    group: Iterator[Line], grouped: Grouped, unread: Callable[[Line], str]
) -> tuple[Iterator[Line], _Content]:
    """Return the sales among the lines of a basket, and a hash that is complete once all lines are read."""
    content = _Content()
    return _sales(group, grouped, content, unread), content


def _sales(
    group: Iterator[Line], grouped: Grouped, content: _Content, unread: Callable[[Line], str]
) -> Iterator[Line]:
    """Yield the lines that are sales, and count the others.

    Some shops write an order's status on its first line alone. Lines without a status wait for the end of
    their order. The waiting lines then take the status of the order's other lines, unreadable rows included,
    if the other lines agree. If the other lines do not agree, the waiting lines are sales, or have the status
    in `silent`.
    """
    sold, left_out = False, ""
    waiting: list[Line] = []
    for line in group:
        if not line.basket_id:
            content.add(line)
        if line.silent is not None and len(waiting) <= MOST_LINES:
            waiting.append(line)
        elif reason := line.left_out or line.silent:
            left_out = left_out or reason
            grouped.left_out[reason] += not line.voice
        else:
            sold = True
            yield from () if line.voice else (line,)
    if waiting:
        left_out = left_out or unread(waiting[0])
    agreed = sold != bool(left_out)
    for line in waiting:
        if reason := left_out if agreed and line.basket_id else line.silent:
            grouped.left_out[reason] += 1
        else:
            yield line


def _is_refunded(lines: list[Line], grouped: Grouped) -> bool:
    """Compare the refund with the order, and the order's amount with the sum of its lines.

    Returns:
        True if the customer got the whole amount back, so that the order is no sale.
    """
    written = next((line.order_total for line in lines if line.order_total is not None), None)
    total = sum(line.quantity * line.unit_price - line.discount for line in lines)
    rounding = ROUNDING * (1 + len(lines))
    refunded = _refunded(lines)
    whole = total if written is None else min(total, written)
    if refunded and whole > 0 and refunded >= whole - rounding:
        grouped.left_out[WHOLE] += len(lines)
        return True
    grouped.partly_refunded += len(lines) if refunded is not None else 0
    if written is not None:
        agrees = abs(total - written) <= rounding
        grouped.agreeing += agrees
        grouped.differing += not agrees
    return False


def _refunded(lines: list[Line]) -> float | None:
    """Return the amount of an order that was paid back; None if nothing was.

    An amount that is equal on all lines, or stands on the first line alone, is the order's. Amounts that
    differ belong to their lines and are added up.
    """
    amounts = [line.refunded or 0.0 for line in lines]
    if all(line.refunded is None for line in lines):
        return None
    return amounts[0] if len(set(amounts)) == 1 else sum(amounts)


def _overfull(lines: list[Line], rest: Iterator[Line], refuse: Callable[[Refused], None]) -> None:
    """Refuse a basket of too many lines without holding all of them in memory."""
    for some in (lines, rest):
        for line in some:
            reason = (
                f"Its basket (one customer, basket number, store and time) has more than {MOST_LINES:,} "
                "lines: is the customer a stand-in for many?"
            )
            refuse(Refused(line.number, "basket of too many lines", reason, line.text))


def _with(basket: Basket, lines: list[Line]) -> Basket:
    return structs.replace(basket, items=[_as_item(line) for line in lines], kind=_kind(lines))


def _as_item(line: Line) -> BasketItem:
    return BasketItem(
        line.product_id, line.category, line.name, line.quantity, line.unit_price, line.discount
    )


def _kind(lines: list[Line]) -> str:
    return "return" if all(line.quantity < 0 for line in lines) else "purchase"


def _item(path: str) -> int | None:
    """Return the index of the line in a path such as `items[3].quantity`; None for the basket itself."""
    if not path.startswith("items["):
        return None
    return int(path[len("items[") : path.index("]")])
