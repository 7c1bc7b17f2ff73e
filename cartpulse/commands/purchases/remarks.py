"""Sentences about a file as a whole: its customers and products, rows that are no sale, suspicious counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cartpulse.console.terminal import amount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.sources.bounded.counting import Distinct
    from streams.sources.files.grouping import Grouped
    from streams.sources.files.purchase_file import PurchaseFile

ONE_HALF: Final = 0.5
"""Share of the baskets above which one customer is suspicious in a file of `FEW` baskets or more."""
ONE_TENTH: Final = 0.1
"""Share of the baskets above which one customer is suspicious in a file of `MANY` baskets or more."""
FEW: Final = 10
"""Baskets or lines below which a share says nothing."""
MANY: Final = 1_000
_VALUES_SHOWN: Final = 5


def left_out_sentences(file: PurchaseFile) -> Iterator[str]:
    """Say which rows are no sale, and which statuses are unknown."""
    if file.left_out:
        yield (
            f"Left out, as no sale: {_rows(file.left_out)}; --only COLUMN=VALUE or --without COLUMN=VALUE "
            "decides otherwise."
        )
    judge = file.judge
    if judge is None:
        return
    if judge.kept:
        yield f"Kept, although the status is not known: {_rows(judge.kept)}."
    if file.grouped.partly_refunded:
        yield f"{file.grouped.partly_refunded:,} rows are of orders refunded in part, and count in full."
    for label in judge.unmet:
        yield f"No row has {label}."
    counts = file.survey.values.counts
    for place in judge.unused:
        shown = ", ".join(f"{value} {count:,}" for value, count in counts[place].most_common(_VALUES_SHOWN))
        name = file.survey.table.columns[place]
        yield (
            f"Column {name!r} looks like a status and is not used ({shown}): --without {name!r}=VALUE or "
            f"--only {name!r}=VALUE leaves rows out."
        )


def people_sentences(grouped: Grouped) -> Iterator[str]:
    """Say how many customers, products and categories there are, and which counts look wrong."""
    if not grouped.baskets:
        return
    customers = grouped.distinct_customers
    name, most = grouped.customers.largest
    share = most / grouped.baskets
    about = "" if grouped.customers.exact else "about "
    yield (
        f"{_amount(customers, 'customer')}, {_amount(grouped.products, 'product')}, "
        f"{_amount(grouped.categories, 'category')}, {amount(grouped.baskets, 'basket')}; "
        f"the largest customer, {name!r}, has {about}{share:.1%} of the baskets."
    )
    yield from suspicions(grouped)


def suspicions(grouped: Grouped) -> Iterator[str]:
    """Say which counts hardly fit a shop, so that a wrong column is seen at once."""
    customers, baskets = grouped.distinct_customers.count, grouped.baskets
    name, most = grouped.customers.largest
    if customers == 1 and baskets > 2:
        yield f"All baskets are of one customer, {name!r}: is customer_id the right column?"
    elif most > (ONE_TENTH if baskets >= MANY else ONE_HALF) * baskets and baskets >= FEW:
        yield (
            f"Customer {name!r} has {most / baskets:.1%} of the baskets: a stand-in for many, or the wrong "
            "column?"
        )
    if customers >= baskets >= FEW:
        yield "No customer comes twice: is customer_id the right column, or the number of an order?"
    products, lines = grouped.products, grouped.lines
    if products.count == 1 and lines >= FEW:
        yield "All lines are of one product: is product_id the right column?"
    if products.exact and products.count == lines >= FEW:
        yield "No product is bought twice: is product_id the right column, or the number of a row?"


def totals_sentences(file: PurchaseFile) -> Iterator[str]:
    """Say how the lines' totals that stand beside prices were used."""
    if file.discounts_found:
        yield (
            f"In {amount(file.discounts_found, 'line')} the total is less than quantity times price: the "
            "difference counts as the discount of the line."
        )
    if file.totals_differ:
        yield (
            f"In {amount(file.totals_differ, 'line')} the total differs from what quantity, price and "
            "discount make, as with taxes, and is not used."
        )


def check_sentence(grouped: Grouped) -> str:
    """Compare the orders' amounts with the sums of their lines; empty where the file has none."""
    if not grouped.agreeing and not grouped.differing:
        return ""
    why = ", which shipping, taxes or an order's discount may explain" if grouped.differing else ""
    return (
        f"The order's amount is the sum of its lines in {grouped.agreeing:,} orders, and another in "
        f"{grouped.differing:,}{why}."
    )


def figures(file: PurchaseFile) -> dict[str, Any]:
    """Return the counts and suspicions of these sentences, for programs."""
    grouped, judge = file.grouped, file.judge
    name, most = grouped.customers.largest
    exact = (grouped.distinct_customers, grouped.products, grouped.categories, grouped.customers)
    return {
        "customers": grouped.distinct_customers.count,
        "products": grouped.products.count,
        "categories": grouped.categories.count,
        "counts_are_exact": all(each.exact for each in exact),
        "largest_customer": {
            "customer_id": name,
            "baskets": most,
            "share": round(most / grouped.baskets, 4),
        }
        if grouped.baskets
        else None,
        "suspicions": list(suspicions(grouped)) if grouped.baskets else [],
        "left_out": file.left_out.total(),
        "left_out_by_status": dict(file.left_out.most_common()),
        "kept_with_unknown_status": dict(judge.kept.most_common()) if judge else {},
        "partly_refunded": grouped.partly_refunded,
        "values_not_found": judge.unmet if judge else [],
        "unused_status_columns": [file.survey.table.columns[place] for place in judge.unused]
        if judge
        else [],
        "order_totals": {"agree": grouped.agreeing, "differ": grouped.differing},
        "remarks": list(file.survey.remarks),
    }


def _rows(counts: Mapping[str, int]) -> str:
    shown = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count:,} row{'s' if count > 1 else ''} with {reason}" for reason, count in shown)


def _amount(names: Distinct, noun: str) -> str:
    return f"{'' if names.exact else 'about '}{amount(names.count, noun)}"
