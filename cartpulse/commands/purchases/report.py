"""Report of `cartpulse produce` about a file: for people on a terminal, and as one object for programs."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from rich.markup import escape
from rich.table import Table

from cartpulse.commands.purchases.remarks import (
    check_sentence,
    figures,
    left_out_sentences,
    people_sentences,
    totals_sentences,
)
from cartpulse.console.terminal import amount
from models.contracts.purchases import ContractError, Purchase, read
from models.contracts.timestamps import instant_of, text_of
from models.state.calendar import HOUR
from streams.sources.columns import FIELDS
from streams.sources.forms.texts import WESTERN
from streams.sources.values.cells import date_cell
from streams.sources.values.dates import is_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from streams.settings.settings import Settings
    from streams.sources.feed import Feed
    from streams.sources.files.purchase_file import PurchaseFile
    from streams.sources.files.survey import FileSurvey
    from streams.sources.forms.texts import Encoding

FIRST_BASKETS = 3
LONG_GAP_DAYS = 30
"""Days without a purchase above which a date may be wrong. No shop is closed for longer; a wrong year leaves
such a gap."""
DAY_MS = 24 * HOUR
_LINES_SHOWN = 5
_TEXT_SHOWN = 120
"""Letters shown of a refused row's text."""


def show_reading(console: Console, file: PurchaseFile) -> None:
    """Show how the file is read: its form, the column of each field, the reading of dates and numbers."""
    found = file.survey
    for sentence in readings(found):
        console.print(escape(sentence), highlight=False)
    if found.columns:
        first = next(iter(found.table), None)
        table = Table("field", "column", "first value")
        places = dict(found.columns)
        for field, place in places.items():
            value = "" if first is None or first.fault else str(first.cells[place])
            table.add_row(field, escape(found.table.columns[place]), escape(value[:40]))
        judged = file.judge.judged if file.judge else []
        for place in judged:
            value = "" if first is None or first.fault else str(first.cells[place])
            table.add_row("(is it a sale?)", escape(found.table.columns[place]), escape(value[:40]))
        used = {*places.values(), *judged}
        unused = [name for place, name in enumerate(found.table.columns) if place not in used]
        table.add_row("(not used)", escape(", ".join(unused)) or "none", "")
        console.print(table)
        absent = [field for field in FIELDS if field not in places and field != "order_total"]
        console.print(f"Not in the file: {', '.join(absent) or 'nothing'}.", highlight=False)
        if "category" not in places:
            console.print(
                "Without a category each product_id is a category of its own: alerts will be for single "
                "products. --map category=COLUMN names one.",
                highlight=False,
            )
        if first is not None and not first.fault:
            _show_date(console, found, date_cell(first.cells, places))


def readings(found: FileSurvey) -> list[str]:
    """Describe how the file is read, in a sentence each."""
    said = [f"{found.form}, {found.rows:,} rows."] if found.form != "events" else ["Events of the contract."]
    said += found.notes
    if found.form != "Parquet":
        said += letters(found.encoding)
    delimiter = getattr(found.table, "delimiter", None)
    if delimiter is not None:
        said.append(f"Columns are parted by {'a tab' if delimiter == chr(9) else repr(delimiter)}.")
    for mark, order in sorted(found.orders.items()):
        evidence = found.dates[mark]
        if order is not None:
            why = (
                "as told"
                if found.told.dates
                else f"{sum(evidence.counts.values()):,} can be read in no other way"
            )
            said.append(f"Dates with {mark!r} have the {order.value.replace('-', ' ')}: {why}.")
    if found.decimal is not None:
        why = (
            "as told"
            if found.told.decimal
            else f"{sum(found.numbers.counts.values()):,} can be read in no other way"
        )
        said.append(f"Numbers have a decimal {found.decimal.value}: {why}.")
    return said + found.remarks


def letters(encoding: Encoding) -> list[str]:
    """Name the encoding of a file and, where it was guessed, show some letters that it gives."""
    said = [f"The letters are {encoding.name}: {encoding.basis}."]
    if encoding.samples:
        shown = ", ".join(repr(sample) for sample in encoding.samples)
        said.append(
            f"  Is {shown} right? If not, name the right one with --encoding."
            if encoding.name == WESTERN
            else f"  Those lines are in another encoding; in {WESTERN} they would be {shown}. "
            "--fallback-encoding names it; without it they are refused."
        )
    return said


def _show_date(console: Console, found: FileSurvey, value: object) -> None:
    written = value.strip() if isinstance(value, str) else value
    try:
        read = text_of(instant_of(found.date_reader().read(written)))
    except ValueError:
        return
    zone = f"{found.zone.key}'s"
    console.print(
        escape(
            f"Times with an offset count as written: {written} is {read}. Others are {zone}."
            if is_instant(written)
            else f"Times without an offset are {zone}: {written} is {read}."
        ),
        highlight=False,
    )


def first_of(records: Sequence[Feed]) -> list[Any]:
    """Return the first baskets as the topic would hold them; a record that is no JSON becomes a text."""
    return [_content(record.value) for record in islice(records, FIRST_BASKETS)]


def _content(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return value.decode(errors="backslashreplace")


def show_baskets(console: Console, records: Sequence[Feed]) -> None:
    """Show the first baskets, line by line."""
    for record in islice(records, FIRST_BASKETS):
        try:
            basket = read(record.value)
        except ContractError as error:
            text = record.value.decode(errors="backslashreplace")
            console.print(escape(f"Breaks the contract: {error}: {text[:_TEXT_SHOWN]}"), highlight=False)
            continue
        if not isinstance(basket, Purchase):
            continue
        spend = sum(  # computed in decimals as written, not in binary numbers
            Decimal(str(line.quantity)) * Decimal(str(line.unit_price)) - Decimal(str(line.discount))
            for line in basket.items
        )
        table = Table(
            "product_id",
            "category",
            "name",
            "quantity",
            "unit_price",
            "discount",
            title=escape(
                f"{basket.kind} of customer {basket.customer_id} at {basket.occurred_at}, "
                f"{_money(spend)} {basket.currency}"
            ),
            caption=escape(f"event {basket.event_id}"),
            title_justify="left",
            caption_justify="left",
        )
        for line in basket.items[:_LINES_SHOWN]:
            table.add_row(
                *map(escape, (line.product_id, line.category, line.name or "")),
                *map(exact, (line.quantity, line.unit_price, line.discount)),
            )
        if len(basket.items) > _LINES_SHOWN:
            table.add_row(f"and {len(basket.items) - _LINES_SHOWN} more", "", "", "", "", "")
        console.print(table)


def exact(number: float | Decimal) -> str:
    """Write a number with all of its digits, and without an exponent.

    >>> exact(1234.56), exact(0.00001), exact(12345678.0), exact(-2.5)
    ('1,234.56', '0.00001', '12,345,678', '-2.5')
    """
    text = f"{Decimal(str(number)):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(amount: Decimal | int) -> str:
    """Write a computed amount with two decimals or more, up to the four that are counted."""
    whole, _, decimals = exact(round(Decimal(amount), 4)).partition(".")
    return f"{whole}.{decimals:0<2}"


def summary(file: PurchaseFile, settings: Settings) -> dict[str, Any]:
    """Return what became of every row, for programs."""
    found, grouped = file.survey, file.grouped
    return {
        "form": found.form,
        "encoding": found.encoding.name,
        "layout": found.preset or None,
        "notes": list(found.notes),
        "columns": {
            field: found.table.columns[place]
            for field, place in found.columns.items()
            if field not in found.constants
        },
        "constants": found.constants,
        "time_zone": found.zone.key,
        "currency": settings.currency,
        "undecided": list(found.undecided),
        "rows": found.rows,
        "baskets": grouped.baskets,
        "returns": grouped.returns,
        "lines": grouped.lines,
        "repeated_lines": grouped.repeated,
        "refused": file.refusals.total,
        "refused_by_reason": dict(file.refusals.counts.most_common()),
        "refused_examples": [
            {"sort": sort, "line": row.number, "reason": row.reason, "original": row.text}
            for sort, examples in file.refusals.examples.items()
            for row in examples
        ],
        "cut_off": file.cut_off or None,
        "rows_before_the_one_above": file.steps_back,
        "times_passed_twice": file.passed_twice,
        "without_category": file.without_category,
        "discounts_from_totals": file.discounts_found,
        "line_totals_that_differ": file.totals_differ,
        **figures(file),
        "first": text_of(instant_of(grouped.first)) if grouped.baskets else None,
        "last": text_of(instant_of(grouped.last)) if grouped.baskets else None,
    }


def _show_refused_rows(console: Console, file: PurchaseFile) -> None:
    """Show the first 20 refused rows of each sort, with reason and text."""
    for sort, count in file.refusals.counts.most_common():
        kept = file.refusals.examples[sort]
        table = Table("line", "reason", "original", title=escape(f"{sort}: {count:,}"), title_justify="left")
        for row in kept:
            table.add_row(str(row.number), escape(row.reason), escape(row.text[:_TEXT_SHOWN]))
        if count > len(kept):
            table.add_row("", f"and {count - len(kept):,} more; --refused FILE takes all of them", "")
        console.print(table)


def show_account(console: Console, file: PurchaseFile, *, rows: bool = False) -> None:
    """Show what became of every row.

    Args:
        console: Console to print on.
        file: File that was read.
        rows: Show refused rows; False counts them by sort.
    """
    found, grouped, refusals = file.survey, file.grouped, file.refusals
    # Stage 1: the counts, and the time that the baskets span.
    of_lines = f" of {amount(grouped.lines, 'line')}" if grouped.lines else ""
    console.print(
        f"{amount(file.survey.rows, 'row')}: {amount(grouped.baskets, 'basket')}{of_lines}"
        + (f", {grouped.returns:,} of them returns" if grouped.returns else "")
        + f"; {amount(refusals.total, 'row')} refused.",
        highlight=False,
    )
    if grouped.baskets:
        first, last = (text_of(instant_of(at)) for at in (grouped.first, grouped.last))
        console.print(f"From {first} to {last}.", highlight=False)
    # Stage 2: sentences about rows that are no sale, about customers and about amounts.
    for sentence in (
        *left_out_sentences(file),
        *people_sentences(grouped),
        *totals_sentences(file),
        *filter(None, (check_sentence(grouped), file.cut_off)),
    ):
        console.print(escape(sentence), highlight=False)
    # Stage 3: what looks wrong: a long gap, and rows that were sorted, repeated or completed.
    if grouped.baskets:
        before, after = grouped.longest_gap
        if after - before > LONG_GAP_DAYS * DAY_MS:
            console.print(
                f"Nothing was bought for {(after - before) // DAY_MS:,} days from "
                f"{text_of(instant_of(before))}: is a date wrong?",
                style="bold",
                highlight=False,
            )
    for count, sentence in (
        (file.steps_back, "rows lie before the row above them in time; all are sorted."),
        (
            0 if found.pieces else grouped.repeated,
            "lines repeat another of their basket in everything; --drop-repeated leaves them out.",
        ),
        (
            file.passed_twice,
            "times fall into the hour that the clock passes twice, and are taken for the first.",
        ),
        (file.without_category, "rows have no category; their product stands for it."),
    ):
        if count:
            console.print(f"{count:,} {sentence}", highlight=False)
    # Stage 4: the refused rows.
    if rows:
        _show_refused_rows(console, file)
    elif refusals.total:
        table = Table("rows", "refused because", "the first")
        for sort, count in refusals.counts.most_common():
            first_one = refusals.examples[sort][0]
            table.add_row(f"{count:,}", escape(sort), escape(f"line {first_one.number}: {first_one.reason}"))
        console.print(table)
