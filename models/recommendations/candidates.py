"""What each customer may be recommended: habits as if the open days were closed, and what is new to them.

Every candidate's score estimates the share of the customer's next trips that will hold it: the decayed count
of trips with it, and beside it what others do, counted as `PRIOR_TRIPS` trips (docs/models.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.learning.assortment import PARTNERS, POPULAR
from models.memory.ranking import NO_KEY, rank_within, ranking_keys
from models.settings import CategoryClass
from models.state.columns import NEVER, NO_SEGMENT
from models.state.habits import COUNT_SCALE, TRIP_DECAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float32]

ITEMS = 10
"""Recommendations at most."""
PRIOR_TRIPS = 5.0
"""What others buy counts as this many trips of the customer's own."""
LEAST_SCORE = 0.00005
"""Scores are told to four places: what would be told as 0 is no recommendation."""
_OFFERED = int(CategoryClass.EVERYWHERE)
"""A plain number: an enumeration's attribute costs more."""


class OpenTrips(NamedTuple):
    """What k customers bought on days that are still open: two slots of days, each a trip or none."""

    owners: tuple[Integers, Integers]
    """Index of the customer of each (customer, category), ascending, by slot."""
    categories: tuple[Integers, Integers]
    """Its category number, ascending in each customer."""
    quantities: tuple[Integers, Integers]
    """Its net quantity, 1/1,000 of a unit, above 0."""
    added: Integers
    """(k,) trips that closing the days will add."""
    later: NDArray[np.bool_]
    """(k, 2) whether a trip follows on the other slot's day."""
    today: Integers
    """(k,) the last open day."""


def open_trips(state: State, rows: Integers) -> OpenTrips:
    """What closing the open days of customers will add to their habits."""
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
    """Owner, category and net quantity, above 0, of what a slot's day bought; lines lie by category."""
    arena = state.open_lines[slot]
    open_then = np.flatnonzero(state.customers["open_day"][rows, slot] != NEVER)
    owners, positions = arena.positions(rows[open_then])
    if not len(owners):
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    keys = open_then[owners] << 16 | arena.records["category"][positions]
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    net = np.add.reduceat(arena.records["quantity"][positions], first)
    keys, net = keys[first][net > 0], net[net > 0]
    return keys >> 16, keys & 0xFFFF, net


class Own(NamedTuple):
    """The habits of k customers as if their open days were closed, in w places each, most of them taken."""

    categories: Integers
    """(k, w) category numbers; 0 in a place not taken."""
    cells: Integers
    """(k, w) position of the cell in its arena; -1 for a habit that begins on an open day."""
    keys: Integers
    """(k, w) by score, then by hash of the name, the greater the better; `NO_KEY` where none is offered."""
    scores: Reals
    """(k, w)."""
    weights: Reals
    """(k,) what the customer's own trips weigh, decayed."""
    groups: Integers
    """(k,) row of `Assortment.shares`."""


def some_of(own: Own, which: Integers) -> Own:
    """The habits of some of the customers."""
    return Own(
        own.categories[which],
        own.cells[which],
        own.keys[which],
        own.scores[which],
        own.weights[which],
        own.groups[which],
    )


def own_habits(state: State, rows: Integers, trips: OpenTrips) -> Own:
    """The categories that customers bought before, scored."""
    known, count = len(state.category_names) + 1, len(rows)
    owners, positions = state.cells.positions(rows)
    lengths = state.cells.lengths[rows]
    held = state.cells.records["category"][positions].astype(np.int64)
    keys = np.concatenate([trips.owners[slot] * known + trips.categories[slot] for slot in (0, 1)])
    place_of = np.zeros(count * known, np.int32)
    place_of[owners * known + held] = np.arange(1, len(held) + 1)
    begun = np.unique(keys[place_of[keys] == 0])
    begun_owners = begun // known
    width = int(lengths.max()) if count else 0
    added = np.bincount(begun_owners, minlength=count)
    shape = (count, width + int(added.max() if count else 0))
    cells = np.full(shape, -1, np.int64)
    categories = np.zeros(shape, np.int64)
    counts = np.zeros(shape, np.float64)
    taken = np.arange(shape[1]) < lengths[:, None]
    cells[taken], categories[taken] = positions, held
    counts[taken] = state.cells.records["count"][positions] / COUNT_SCALE
    counts *= TRIP_DECAY ** trips.added[:, None]
    behind = width + rank_within(begun_owners)
    categories[begun_owners, behind] = begun % known
    place_of[owners * known + held] = np.flatnonzero(taken)
    place_of[begun] = begun_owners * shape[1] + behind
    weights = np.concatenate(
        [np.where(trips.later[trips.owners[slot], slot], TRIP_DECAY, 1.0) for slot in (0, 1)]
    )
    np.add.at(counts.reshape(-1), place_of[keys], weights)
    folded = state.customers["trips"][rows] + trips.added
    seen = (1 - TRIP_DECAY**folded) / (1 - TRIP_DECAY)
    segments = state.customers["segment"][rows].astype(np.int64)
    groups = np.where(segments == NO_SEGMENT, len(state.assortment.shares) - 1, segments)
    shares = state.assortment.shares
    share = shares[groups[:, None], np.minimum(categories, shares.shape[1] - 1)]
    scores = ((counts + PRIOR_TRIPS * share) / (seen + PRIOR_TRIPS)[:, None]).astype(np.float32)
    return Own(categories, cells, _keys(state, categories, scores), scores, seen.astype(np.float32), groups)


class New(NamedTuple):
    """What is new to some of the customers, ten places each, best first."""

    categories: Integers
    """(m, 10) category numbers; 0 in a place not taken."""
    keys: Integers
    """(m, 10) as in `Own`."""
    scores: Reals
    """(m, 10)."""
    shares: Reals
    """(m, 10) share of trips that hold it: of the partner's buyers, or of the segment."""
    partners: Integers
    """(m, 10) category number of what it is bought with; 0 where it is popular."""


def best_chance(state: State, own: Own, favourites: Integers, scores: Reals) -> Reals:
    """(k,) what no score of something new exceeds.

    Args:
        state: Of the partition.
        own: Habits of k customers.
        favourites: (k, 10) category numbers of their best; what goes with these may be offered.
        scores: (k, 10) of these.
    """
    assortment = state.assortment
    popular = assortment.shares[own.groups, assortment.popular[own.groups, 0]]
    beside = assortment.partner_shares[np.minimum(favourites, len(assortment.partners) - 1), 0]
    partner = (scores * beside + (1 - scores) * popular[:, None]).max(axis=1)
    chance: Reals = _score(np.maximum(popular, partner), own.weights)
    return chance


def something_new(state: State, own: Own, favourites: Integers, chances: Reals, least: Reals) -> New:
    """What goes with the favourites of m customers, or is popular in their segment, and was never bought.

    Args:
        state: Of the partition.
        own: Habits of m customers.
        favourites: (m, 10) category numbers of their best.
        chances: (m, 10) their scores: a partner is bought beside them as often as they are bought at all.
        least: (m,) lower scores are of no use.
    """
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
    bought = np.zeros((count, known), bool)
    bought[np.arange(count)[:, None], own.categories] = True
    bought[:, 0] = True
    popular = assortment.shares[own.groups[:, None], categories]
    beside = np.concatenate(
        [np.repeat(chances, PARTNERS, axis=1), np.ones((count, POPULAR), np.float32)], axis=1
    )
    scores = _score(beside * shares + (1 - beside) * popular, own.weights[:, None])
    useful = (scores >= least[:, None]) & ~bought[np.arange(count)[:, None], categories]
    owners, scores = np.nonzero(useful)[0], scores[useful]
    categories, shares, partners = categories[useful], shares[useful], partners[useful]
    hashes = state.category_names.hashes
    order = np.lexsort((hashes[partners], -scores, owners * known + categories))
    once = order[np.flatnonzero(np.diff(owners[order] * known + categories[order], prepend=-1))]
    owners, categories, scores = owners[once], categories[once], scores[once]
    shares, partners = shares[once], partners[once]
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
    """Of what the customer never bought."""
    scores: Reals = (PRIOR_TRIPS * shares / (weights + PRIOR_TRIPS)).astype(np.float32)
    return scores


def _keys(state: State, categories: Integers, scores: Reals) -> Integers:
    """Ranking keys of categories; none of what is never recommended, cannot be had or has hardly a chance."""
    names = state.category_names
    offered = (categories > 0) & (names.classes[categories] == _OFFERED) & (scores > LEAST_SCORE)
    if state.catalogue:
        offered &= ~state.catalogue.lacks_all_of(categories)
    return ranking_keys(scores, names.hashes[categories], offered)
