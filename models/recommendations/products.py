"""Products that customers bought before, scored and ranked as if the open days were closed.

A product's score estimates the share of the customer's next trips that will hold it, as that of a category
does (`models.recommendations.candidates`): the customer's decayed count of trips with the product, drawn to a
prior share, which is a part of the category's (docs/models.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.memory import structured
from models.memory.dictionary import UNTRACKED
from models.memory.groups import NO_KEY, begins, first_of, greatest, look_up, places_of, ranking_keys
from models.recommendations.candidates import ITEMS, LEAST_SCORE, PRIOR_TRIPS, groups_of, may_be_offered
from models.state.habits import TRIP_DECAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.recommendations.found import Visits
    from models.state.state import State

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float32]

PRODUCT_SHARE = 0.04
"""Share of a category's trips that one product holds, before the customer's own trips with it are counted."""
_FADED = TRIP_DECAY ** np.arange(1024.0)
"""Weight of a trip by the count of trips since. After 1,023 trips it is 3e-14, and fades no further."""


class OwnProducts(NamedTuple):
    """Products that m customers bought before, n in all, as if the customers' open days were closed."""

    owners: Integers
    """(n,) index of the customer among the m, ascending."""
    products: Integers
    """(n,) product numbers, ascending within a customer."""
    categories: Integers
    """(n,) number of the category in which the product was bought last."""
    counts: NDArray[np.float64]
    """(n,) trips with the product, decayed per trip of the customer."""
    last_days: Integers
    """(n,) day of the last trip with the product."""
    scores: Reals
    """(n,) estimated share of the customer's next trips that will hold the product."""
    keys: Integers
    """(n,) ranking keys by score, then by hash of the name, the greater the better; `NO_KEY` for a product
    that must not be offered."""


class _OpenLines(NamedTuple):
    """Products that m customers bought on open days, l in all, each once a day."""

    keys: Integers
    """(l,) customer, product and, in bit 0, 1 for the later of two days: ascending."""
    categories: NDArray[np.uint16]
    """(l,) category numbers."""
    counts: NDArray[np.float64]
    """(l,) 1 for a trip, faded if another one follows."""
    days: NDArray[np.uint16]
    """(l,) days."""


def own_products(state: State, visits: Visits, which: Integers) -> OwnProducts:
    """Score the products that customers bought before, open days included.

    Args:
        state: State of the partition.
        visits: Baskets of k customers.
        which: (m,) indexes of the customers to look at, of `visits`.
    """
    # Stage 1: (h,) products bought on folded trips, and (l,) on open days. Closing the open days adds trips,
    # by which older counts fade.
    rows = visits.rows[which]
    trips = state.customers["trips"][rows] + visits.trips.added[which]
    owners, held = state.products.gather(rows)
    since = np.minimum(trips[owners] - held["trip"], len(_FADED) - 1)
    lines = _open_lines(state, visits, which)
    # Stage 2: (h + l,) both, sorted by customer and product: folded trips first, the latest day last.
    keys = np.concatenate([_keys(owners, held["product"]), lines.keys])
    order = np.argsort(keys, kind="stable")
    keys = keys[order] >> 1
    counts = np.concatenate([held["count"] * _FADED[since], lines.counts])[order]
    # Stage 3: (n,) each product of a customer once. Its counts are added in the order of the sort, and its
    # last trip tells category and day.
    first = places_of(begins(keys))
    owners, products = keys[first] >> 32, keys[first] & 0xFFFFFFFF
    counts = np.add.reduceat(counts, first) if len(first) else counts
    last = order[np.append(first[1:], len(keys))[: len(first)] - 1]
    categories = np.concatenate([held["category"], lines.categories])[last].astype(np.int64)
    last_days = np.concatenate([held["last_day"], lines.days])[last].astype(np.int64)
    # Stage 4: (n,) scores. The customer's segment, or all customers without one, gives the category's share.
    seen = (1 - TRIP_DECAY**trips) / (1 - TRIP_DECAY)
    shares = state.assortment.shares
    share = shares[groups_of(state, rows)[owners], np.minimum(categories, shares.shape[1] - 1)]
    scores = (counts + PRIOR_TRIPS * PRODUCT_SHARE * share) / (seen + PRIOR_TRIPS)[owners]
    scores = scores.astype(np.float32)
    # Stage 5: (n,) ranking keys.
    offered = may_be_offered(state, categories) & (scores > LEAST_SCORE)
    if state.catalogue:
        offered &= ~state.catalogue.lacks(products)
    ranks = ranking_keys(scores, state.product_names.hashes[products], offered)
    return OwnProducts(owners, products, categories, counts, last_days, scores, ranks)


def _open_lines(state: State, visits: Visits, which: Integers) -> _OpenLines:
    """Find the products that closing the open days of customers would count."""
    rows, trips = visits.rows[which], visits.trips
    keys, categories, counts, days = [], [], [], []
    for slot in (0, 1):
        owners, lines = state.open_lines[slot].gather(rows)
        bought = look_up(
            which[owners] << 16 | lines["category"], trips.owners[slot] << 16 | trips.categories[slot]
        )[1]
        kept = bought & (lines["quantity"] > 0) & (lines["product"] != UNTRACKED)
        owners, lines = owners[kept], structured.take(lines, kept)
        earlier = trips.later[which[owners], slot]
        keys.append(_keys(owners, lines["product"]) | ~earlier)
        categories.append(lines["category"])
        counts.append(np.where(earlier, TRIP_DECAY, 1.0))
        days.append(state.customers["open_day"][rows, slot][owners])
    # A product that a customer bought in two categories of a day counts once, as the fold does.
    merged, named = np.concatenate(keys), np.concatenate(categories)
    at = first_of(merged, state.category_names.hashes[named])
    return _OpenLines(merged[at], named[at], np.concatenate(counts)[at], np.concatenate(days)[at])


def _keys(owners: Integers, products: NDArray[np.uint32]) -> Integers:
    """Build keys that sort by owner, then by product; bit 0 is free."""
    return owners << 33 | products.astype(np.int64) << 1


def likeliest(own: OwnProducts, customers: int) -> Integers:
    """Return the (m, 10) places of each customer's ten best products in `own`, best first; -1 for none.

    Args:
        own: Products of m customers.
        customers: m.
    """
    sizes = np.bincount(own.owners, minlength=customers)
    begin = sizes.cumsum() - sizes
    keys = np.full((customers, max(int(sizes.max(initial=0)), ITEMS)), NO_KEY, np.int64)
    keys[own.owners, np.arange(len(own.owners)) - begin[own.owners]] = own.keys
    best = greatest(keys, ITEMS)
    offered = np.take_along_axis(keys, best, axis=1) != NO_KEY
    places: Integers = np.where(offered, best + begin[:, None], -1)
    return places


def usual_products(state: State, own: OwnProducts, owners: Integers, categories: Integers) -> list[int]:
    """Find the best product of each of i (customer, category) pairs, each pair once.

    Args:
        state: State of the partition.
        own: Products of the customers.
        owners: (i,) index of each pair's customer in `own`.
        categories: (i,) category number of each pair.

    Returns:
        i product numbers; `UNTRACKED` (0) without a product that can be offered.
    """
    usual = np.full(len(owners), UNTRACKED)
    if not len(owners):
        return []
    # Stage 1: (n,) pair of each product. A table over all (customer, category) pairs needs no search.
    known = len(state.category_names) + 1
    pair_of = np.full((int(max(owners.max(), own.owners.max(initial=0))) + 1) * known, -1, np.int32)
    pair_of[owners * known + categories] = np.arange(len(owners))
    pairs = pair_of[own.owners * known + own.categories]
    # Stage 2: (i,) greatest key of each pair, and the product that has it.
    wanted = places_of((pairs >= 0) & (own.keys != NO_KEY))
    pairs, keys = pairs[wanted], own.keys[wanted]
    best = np.full(len(owners), NO_KEY, np.int64)
    np.maximum.at(best, pairs, keys)
    won = keys == best[pairs]
    usual[pairs[won]] = own.products[wanted[won]]
    return usual.tolist()
