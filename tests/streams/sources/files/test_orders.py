"""Evidence about orders is gathered in bounded memory, and an order that is let go costs caution alone."""

from __future__ import annotations

from typing import Any

from streams.sources.files.orders import Orders

COLUMNS = {"basket_id": 0, "customer_id": 1, "occurred_at": 2, "product_id": 3, "discount": 4}


def orders(rows: list[tuple[Any, ...]], *, counting: tuple[int, ...] = (), **options: int) -> Orders:
    found = Orders(COLUMNS, ["discount"], counting, [1], **options)
    for row in rows:
        found.note(row)
    found.finish()
    return found


def line(order: int, number: int, discount: object) -> tuple[Any, ...]:
    return (str(order), "A", "2024-02-01", f"S{number}", discount, number)


def test_no_more_orders_are_held_than_told() -> None:
    found = Orders(COLUMNS, ["discount"], [5], [1], open_orders=10)
    for order in range(1_000):
        found.note(line(order, 1, "1.00"))
        assert len(found._open) <= 10
    found.finish()
    assert not found._open


def test_lines_that_lie_too_far_apart_are_other_orders() -> None:
    rows = [line(order, number, "1.00") for number in (1, 2) for order in range(20)]
    assert orders(rows, counting=(5,)).amount["discount"].equal == 20
    far = orders(rows, counting=(5,), open_orders=10)
    assert (far.amount["discount"].equal, far.counter[5].counts) == (0, False)


def test_amounts_are_compared_as_numbers_and_a_zero_as_nothing() -> None:
    rows = [line(1, 1, "2.50"), line(1, 2, 2.5), line(2, 1, ""), line(2, 2, "0,00"), line(3, 1, None)]
    amount = orders(rows).amount["discount"]
    assert (amount.equal, amount.first_alone, amount.unequal) == (1, 0, 0)


def test_cells_of_json_that_are_no_plain_values_are_compared_too() -> None:
    rows = [("1", "A", "2024-02-01", ["S1"], {"a": 1}, 1), ("1", "A", "2024-02-01", ["S2"], {"a": 1}, 2)]
    assert orders(rows).several == 1


def test_a_counter_may_begin_at_nought_and_stand_in_any_order() -> None:
    rows = [line(1, number, "") for number in (2, 0, 1)]
    counter = orders(rows, counting=(5,)).counter[5]
    assert (counter.counts, counter.sure, counter.longest) == (True, True, 3)
    assert not orders([line(1, 1, ""), line(1, 1, "")], counting=(5,)).counter[5].counts
