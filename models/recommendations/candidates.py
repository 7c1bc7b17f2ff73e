"""Candidates for recommendation: habits as if the open days were closed, and categories new to the customer.

A candidate's score estimates the share of the customer's next trips that will hold the candidate. The score
combines the customer's decayed count of trips with it and other customers' share, which weighs as much as
`PRIOR_TRIPS` trips (docs/models.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.learning.assortment import PARTNERS, POPULAR
from models.memory.groups import NO_KEY, begins, places_of, rank_within, ranking_keys
from models.settings import CategoryClass
from models.state.columns import NEVER, NO_SEGMENT
from models.state.habits import COUNT_SCALE, TRIP_DECAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float32]

ITEMS = 10
"""Largest number of recommendations to one customer."""
PRIOR_TRIPS = 5.0
"""Weight of other customers' purchases, in trips of the customer's own."""
LEAST_SCORE = 0.00005
"""Score that a recommendation must exceed. Scores are written with four decimals; this one would read 0."""
_OFFERED = int(CategoryClass.EVERYWHERE)
"""Plain number of the class, because reading an enumeration's attribute costs more."""


class OpenTrips(NamedTuple):
    """Purchases of k customers on open days. A customer has two slots of days; each holds a trip or none."""

    owners: tuple[Integers, Integers]
    """Per slot: index of the customer of each (customer, category), ascending."""
    categories: tuple[Integers, Integers]
    """Per slot: category number of each pair, ascending within a customer."""
    quantities: tuple[Integers, Integers]
    """Per slot: net quantity of each pair, 1/1,000 of a unit, above 0."""
    added: Integers
    """(k,) count of the trips that closing the days will add."""
    later: NDArray[np.bool_]
    """(k, 2) True if a trip follows on the other slot's day."""
    today: Integers
    """(k,) last open day."""


def open_trips(state: State, rows: Integers) -> OpenTrips:
    """Find the trips that closing the open days of customers will add to their habits."""
    bought = _net(state, rows, 0), _net(state, rows, 1)
    trips = np.zeros((len(rows), 2), bool)
    for slot in (0, 1):
        trips[bought[slot][0], slot] = True
    days = state.customers["open_day"][rows].astype(np.int64)
    first_is_later = days[:, 0] > days[:, 1]
    later = np.stack([trips[:, 1] & ~first_is_later, trips[:, 0] & first_is_later], axis=1)
    return OpenTrips(
        (bought[0][0], bought[1][0]),
        (bought[0][1], bought[1][1]),
        (bought[0][2], bought[1][2]),
        trips.sum(axis=1),
        later,
        days.max(axis=1),
    )


def _net(state: State, rows: Integers, slot: int) -> tuple[Integers, Integers, Integers]:
    """Sum the purchases of one slot's open day by category. A customer's open lines are sorted by category.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
        slot: 0 or 1, the parity of the day.

    Returns:
        (m,) index of the customer, (m,) category number and (m,) net quantity, 1/1,000 of a unit, above 0.
    """
    arena = state.open_lines[slot]
    open_then = places_of(state.customers["open_day"][rows, slot] != NEVER)
    owners, positions = arena.positions(rows[open_then])
    if not len(owners):
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    keys = open_then[owners] << 16 | arena.records["category"][positions]
    first = places_of(begins(keys))
    net = np.add.reduceat(arena.records["quantity"][positions], first)
    keys, net = keys[first][net > 0], net[net > 0]
    return keys >> 16, keys & 0xFFFF, net


class Own(NamedTuple):
    """Habits of k customers as if their open days were closed, in w places each, most of them taken."""

    categories: Integers
    """(k, w) category numbers; 0 in an empty place."""
    cells: Integers
    """(k, w) position of the category's cell in its arena; -1 for a habit that begins on an open day."""
    keys: Integers
    """(k, w) ranking keys by score, then by hash of the name, the greater the better; `NO_KEY` for a category
    that must not be offered."""
    scores: Reals
    """(k, w) estimated share of the customer's next trips that will hold the category."""
    weights: Reals
    """(k,) decayed count of the customer's own trips."""
    groups: Integers
    """(k,) the customer's row of `Assortment.shares`."""


def some_of(own: Own, which: Integers) -> Own:
    """Return the habits of some of the customers."""
    return Own(
        own.categories[which],
        own.cells[which],
        own.keys[which],
        own.scores[which],
        own.weights[which],
        own.groups[which],
    )


def own_habits(state: State, rows: Integers, trips: OpenTrips) -> Own:
    """Score the categories that customers bought before, open days included.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
        trips: Purchases of these customers on open days.
    """
    # Stage 1: (m,) cells held, and (b,) categories without a cell that begin on an open day. A table over all
    # (customer, category) pairs finds a category's place without a search.
    known, count = len(state.category_names) + 1, len(rows)
    owners, positions = state.cells.positions(rows)
    lengths = state.cells.lengths[rows]
    held = state.cells.records["category"][positions].astype(np.int64)
    keys = np.concatenate([trips.owners[slot] * known + trips.categories[slot] for slot in (0, 1)])
    place_of = np.zeros(count * known, np.int32)
    place_of[owners * known + held] = np.arange(1, len(held) + 1)
    begun = np.unique(keys[place_of[keys] == 0])
    begun_owners = begun // known
    # Stage 2: lay both out in a (k, w) table: cells first, then the categories that begin.
    width = int(lengths.max()) if count else 0
    added = np.bincount(begun_owners, minlength=count)
    shape = (count, width + int(added.max() if count else 0))
    cells = np.full(shape, -1, np.int64)
    categories = np.zeros(shape, np.int64)
    counts = np.zeros(shape, np.float64)
    taken = np.arange(shape[1]) < lengths[:, None]
    cells[taken], categories[taken] = positions, held
    counts[taken] = state.cells.records["count"][positions] / COUNT_SCALE
    # Stage 3: (k, w) counts as closing the days would leave them. All counts fade by the added trips, and
    # each bought category gains one trip, faded if another trip follows.
    counts *= TRIP_DECAY ** trips.added[:, None]
    behind = width + rank_within(begun_owners)
    categories[begun_owners, behind] = begun % known
    place_of[owners * known + held] = np.flatnonzero(taken)
    place_of[begun] = begun_owners * shape[1] + behind
    weights = np.concatenate(
        [np.where(trips.later[trips.owners[slot], slot], TRIP_DECAY, 1.0) for slot in (0, 1)]
    )
    np.add.at(counts.reshape(-1), place_of[keys], weights)
    # Stage 4: (k, w) scores. The customer's segment, or all customers without one, gives the prior share.
    folded = state.customers["trips"][rows] + trips.added
    seen = (1 - TRIP_DECAY**folded) / (1 - TRIP_DECAY)
    groups, shares = groups_of(state, rows), state.assortment.shares
    share = shares[groups[:, None], np.minimum(categories, shares.shape[1] - 1)]
    scores = ((counts + PRIOR_TRIPS * share) / (seen + PRIOR_TRIPS)[:, None]).astype(np.float32)
    return Own(categories, cells, _keys(state, categories, scores), scores, seen.astype(np.float32), groups)


def groups_of(state: State, rows: Integers) -> Integers:
    """Return each customer's row of `Assortment.shares`: that of the segment, or of all without a segment."""
    segments = state.customers["segment"][rows].astype(np.int64)
    groups: Integers = np.where(segments == NO_SEGMENT, len(state.assortment.shares) - 1, segments)
    return groups


class New(NamedTuple):
    """Categories new to m customers, ten places each, best first."""

    categories: Integers
    """(m, 10) category numbers; 0 in an empty place."""
    keys: Integers
    """(m, 10) ranking keys, as in `Own`."""
    scores: Reals
    """(m, 10) estimated share of the customer's next trips that will hold the category."""
    shares: Reals
    """(m, 10) share of trips that hold the category: trips of the partner's buyers, or of the segment."""
    partners: Integers
    """(m, 10) number of the partner category with which it is bought; 0 for a popular category."""


def best_chance(state: State, own: Own, favourites: Integers, scores: Reals) -> Reals:
    """Return (k,) upper bounds on the score of any new category.

    A caller can skip the customers for whom no new category can enter the ten best.

    Args:
        state: State of the partition.
        own: Habits of k customers.
        favourites: (k, 10) category numbers of the customers' best habits, whose partners may be offered.
        scores: (k, 10) scores of the favourites.
    """
    assortment = state.assortment
    popular = assortment.shares[own.groups, assortment.popular[own.groups, 0]]
    beside = assortment.partner_shares[np.minimum(favourites, len(assortment.partners) - 1), 0]
    partner = (scores * beside + (1 - scores) * popular[:, None]).max(axis=1)
    chance: Reals = _score(np.maximum(popular, partner), own.weights)
    return chance


def something_new(state: State, own: Own, favourites: Integers, chances: Reals, least: Reals) -> New:
    """Find the partners of favourites and the popular categories that m customers never bought.

    Args:
        state: State of the partition.
        own: Habits of m customers.
        favourites: (m, 10) category numbers of the customers' best habits.
        chances: (m, 10) scores of the favourites. A partner can be bought beside a favourite only as often as
            the favourite is bought.
        least: (m,) scores below which a category is of no use.
    """
    # Stage 1: (m, 128) candidates: 8 partners of each of ten favourites, then 48 popular categories. Each has
    # its (m, 128) share and partner; partner 0 marks a popular category.
    assortment, count = state.assortment, len(own.weights)
    known = len(state.category_names) + 1
    anchors = np.minimum(favourites, len(assortment.partners) - 1)
    categories = np.concatenate(
        [assortment.partners[anchors].reshape(count, -1), assortment.popular[own.groups]], axis=1
    )
    shares = np.concatenate(
        [
            assortment.partner_shares[anchors].reshape(count, -1),
            assortment.shares[own.groups[:, None], assortment.popular[own.groups]],
        ],
        axis=1,
    )
    partners = np.concatenate(
        [np.repeat(anchors, PARTNERS, axis=1), np.zeros((count, POPULAR), np.int64)], axis=1
    )
    # Stage 2: (m, known) table of the categories bought before, so that none is offered as new. Column 0
    # counts as bought, so that empty places are not offered either.
    bought = np.zeros((count, known), bool)
    bought[np.arange(count)[:, None], own.categories] = True
    bought[:, 0] = True
    # Stage 3: (m, 128) scores. On trips without the favourite, a partner is as popular as in the segment.
    popular = assortment.shares[own.groups[:, None], categories]
    beside = np.concatenate(
        [np.repeat(chances, PARTNERS, axis=1), np.ones((count, POPULAR), np.float32)], axis=1
    )
    scores = _score(beside * shares + (1 - beside) * popular, own.weights[:, None])
    # Stage 4: flatten to the (c,) useful candidates.
    useful = (scores >= least[:, None]) & ~bought[np.arange(count)[:, None], categories]
    owners, scores = np.nonzero(useful)[0], scores[useful]
    categories, shares, partners = categories[useful], shares[useful], partners[useful]
    # Stage 5: (d,) each category once per customer, with its best score. Equal scores are settled by the hash
    # of the partner's name, so that every worker chooses alike.
    hashes = state.category_names.hashes
    order = np.lexsort((hashes[partners], -scores, owners * known + categories))
    once = order[places_of(np.diff(owners[order] * known + categories[order], prepend=-1))]
    owners, categories, scores = owners[once], categories[once], scores[once]
    shares, partners = shares[once], partners[once]
    # Stage 6: (e,) ten best of each customer, written into (m, 10) tables.
    keys = _keys(state, categories, scores)
    place = rank_within(owners, -keys)
    kept = place < ITEMS
    owners, place = owners[kept], place[kept]
    found = New(
        np.zeros((count, ITEMS), np.int64),
        np.full((count, ITEMS), NO_KEY, np.int64),
        np.zeros((count, ITEMS), np.float32),
        np.zeros((count, ITEMS), np.float32),
        np.zeros((count, ITEMS), np.int64),
    )
    columns: tuple[NDArray[Any], ...] = (categories, keys, scores, shares, partners)
    tables: tuple[NDArray[Any], ...] = found
    for table, column in zip(tables, columns, strict=True):
        table[owners, place] = column[kept]
    return found


def _score(shares: Reals, weights: Reals) -> Reals:
    """Score categories that the customer never bought: their own count of trips is 0."""
    scores: Reals = (PRIOR_TRIPS * shares / (weights + PRIOR_TRIPS)).astype(np.float32)
    return scores


def _keys(state: State, categories: Integers, scores: Reals) -> Integers:
    """Compute ranking keys of categories, `NO_KEY` for a category that must not be offered.

    Never offered are scores of at most `LEAST_SCORE`, and categories without `may_be_offered`.
    """
    offered = may_be_offered(state, categories) & (scores > LEAST_SCORE)
    return ranking_keys(scores, state.category_names.hashes[categories], offered)


def may_be_offered(state: State, categories: Integers) -> NDArray[np.bool_]:
    """Return True for categories (numbers) that settings do not exclude and that can be had.

    A category cannot be had if the catalogue calls all its products unavailable. Number 0 is no category.
    """
    offered: NDArray[np.bool_] = (categories > 0) & (state.category_names.classes[categories] == _OFFERED)
    if state.catalogue:
        offered &= ~state.catalogue.lacks_all_of(categories)
    return offered
