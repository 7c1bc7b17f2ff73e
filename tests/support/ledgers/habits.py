"""Habits of one customer as dictionaries, by the rules of docs/models.md written out trip by trip."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from models.learning.intervals import Statistic, observe, purchase_probability
from models.learning.priors import Priors

Line = tuple[str, str, int]
"""Category, product and quantity, 1/1,000 of a unit."""


@dataclass(slots=True)
class Category:
    """What is kept of a category."""

    statistics: Any = field(default_factory=lambda: np.zeros((1, len(Statistic)), np.float32))
    count: int = 0
    recent: int = 0

    @property
    def last_day(self) -> int:
        """Day of the last trip with the category."""
        return int(self.statistics[0, Statistic.LAST_DAY])

    def chance(self, day: int) -> float:
        """Return the chance of a trip within a quarter after a day, by the priors of a ledger's first day."""
        elapsed = float(day - self.last_day)
        return float(purchase_probability(self.statistics, Priors().of([0]), elapsed, 91)[0])


@dataclass(slots=True)
class Product:
    """What is kept of a product."""

    category: str
    count: float
    trip: int
    last_day: int


@dataclass(slots=True)
class PlainHabits:
    """Categories and products of one customer.

    Args:
        most_categories: Categories that a customer has room for.
        most_products: Products that a customer has room for.
    """

    most_categories: int
    most_products: int
    trips: int = 0
    categories: dict[str, Category] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)

    def fold(self, day: int, lines: list[Line]) -> set[str]:
        """Fold a day, and return the categories that found no room any more."""
        net: dict[str, int] = {}
        for category, _, quantity in lines:
            net[category] = net.get(category, 0) + quantity
        bought = {category: quantity for category, quantity in net.items() if quantity > 0}
        if not bought:
            return set()
        self.trips += 1
        for kept in self.categories.values():
            kept.count, kept.recent = round(kept.count * 0.97), kept.recent << 1 & 0xFFFF
        for category, quantity in bought.items():
            known = self.categories.setdefault(category, Category())
            known.statistics = observe(known.statistics, float(day), quantity / 1000)
            known.count, known.recent = known.count + 1024, known.recent | 1
        for category, product, quantity in lines:
            if quantity > 0 and category in bought:
                self._count(category, product, day)
        kept_products = sorted(self.products, key=self._rank)[: self.most_products]
        self.products = {name: self.products[name] for name in kept_products}
        ranked = sorted(self.categories, key=lambda name: self._worth(name, day))
        evicted = set(ranked[self.most_categories :])
        self.categories = {name: kept for name, kept in self.categories.items() if name not in evicted}
        return evicted

    def _count(self, category: str, product: str, day: int) -> None:
        known = self.products.get(product)
        before = 0.0 if known is None else known.count * 0.97 ** (self.trips - known.trip)
        self.products[product] = Product(category, float(np.float32(1 + before)), self.trips, day)

    def _rank(self, name: str) -> tuple[float, int, int]:
        known = self.products[name]
        faded = known.count * 0.97 ** (self.trips - known.trip)
        return -faded, -known.last_day, _hash(name)

    def _worth(self, name: str, day: int) -> tuple[float, int, int]:
        known = self.categories[name]
        return -known.chance(day), -known.last_day, _hash(name)


def _hash(name: str) -> int:
    """Return the hash that settles ties, the smallest first."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
