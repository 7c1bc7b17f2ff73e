"""What a seed stands for: the service's size, its purchases, and the faults that befall it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from tests.verification.simulation.kafka.network import Weather

if TYPE_CHECKING:
    from collections.abc import Iterator

Guarantee = Literal["at_least_once", "exactly_once"]

SESSION = 1.0
"""Seconds; the least that the settings allow. Everything else is measured by it."""

FAULT_SECONDS = 3.0
"""How long purchases and faults come; after that the service is left in peace."""

POISON, BROKEN, HOLE, ABORTED = "poison", "broken", "hole", "aborted"
"""Purchases that make the ledger raise, that no decoder takes, offsets that hold no record, and purchases of
a transaction that is aborted."""


class Fault(NamedTuple):
    """Something that happens."""

    at: float
    kind: str
    worker: int = 0
    steps: int = 0
    """How many steps of the worker later, so that any await may be the last."""
    seconds: float = 0.0
    moment: str = "any"
    """From when on the steps are counted: `any`, or the next time it sends `rows` or `outputs`."""


class Purchase(NamedTuple):
    """A record of the source."""

    at: float
    partition: int
    customer: str
    open_for: float = 0.0
    """Seconds until the transaction ends that it is written in; 0 for none."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that a seed decides before anything happens."""

    seed: int
    guarantee: Guarantee
    partitions: int
    workers: int
    transactional: bool
    day: int
    """Offsets of a business day."""
    batch_records: int
    most: int
    """Records that the ledger applies at once."""
    sweep_limit: int
    batch_outputs: int
    """Outputs that fit a record batch."""
    busy: float
    slow: float
    """Seconds that the agent may take over a batch."""
    standbys: int
    """Partitions of others that a worker keeps a warm copy of."""
    machines: int
    """Folders of checkpoints that the workers take turns with; 0 for none."""
    join_delay: float
    weather: Weather
    purchases: tuple[Purchase, ...]
    faults: tuple[Fault, ...]

    def lines(self) -> Iterator[str]:
        """For people."""
        yield (
            f"seed {self.seed}, {self.guarantee}: {self.workers} workers, {self.partitions} partitions, "
            f"{len(self.purchases)} purchases, broker {'with' if self.transactional else 'without'} producer "
            f"ids, {self.weather}"
        )
        for fault in self.faults:
            after = (
                f"worker {fault.worker}, {fault.moment} moment + {fault.steps} steps, {fault.seconds:.2f} s"
            )
            yield f"  at {fault.at:.3f} {fault.kind}: {after}"


def schedule(seed: int, guarantee: Guarantee) -> Schedule:
    """The schedule of a seed."""
    chance = random.Random(f"{guarantee} {seed}")
    partitions = chance.choice((1, 2, 2, 3))
    transactional = guarantee == "exactly_once" or chance.random() < 0.7
    return Schedule(
        seed=seed,
        guarantee=guarantee,
        partitions=partitions,
        workers=chance.choice((1, 2, 2, 3)),
        transactional=transactional,
        day=chance.choice((6, 10, 17)),
        batch_records=chance.choice((2, 4, 8)),
        most=chance.choice((1, 3, 100)),
        sweep_limit=chance.choice((1, 2)),
        batch_outputs=chance.choice((1, 3, 50)),
        busy=chance.choice((0.0, 0.05, 0.3)),
        slow=chance.choice((0.0, 0.0, 0.05, 0.3)),
        standbys=chance.choice((0, 0, 1)),
        machines=chance.choice((0, 0, 0, 1, 2)),
        join_delay=chance.choice((0.0, 0.0, 0.3)),
        weather=Weather(
            delay=chance.choice((0.0005, 0.002, 0.01)),
            slow=chance.choice((0.0, 0.02, 0.1)),
            lost=chance.choice((0.0, 0.0, 0.01, 0.05)),
            latest=chance.choice((0.3, 1.0, 2.0)),
        ),
        purchases=tuple(_purchases(chance, partitions, holes=transactional)),
        faults=tuple(sorted(_faults(chance))),
    )


def _purchases(chance: random.Random, partitions: int, *, holes: bool) -> Iterator[Purchase]:
    customers = [f"c{number}" for number in range(chance.choice((2, 5)))]
    odd = chance.choice((0.0, 0.0, 0.1))
    transactions = chance.choice((0.0, 0.0, 0.2))
    for partition in range(partitions):
        at = chance.choice((0.0, 0.3))
        for _ in range(chance.randrange(8, 45)):
            if chance.random() < 0.3:
                at += chance.random() * 0.5
            if at > FAULT_SECONDS:
                break
            customer = chance.choice(customers)
            if chance.random() < odd:
                customer = chance.choice((POISON, BROKEN, HOLE, ABORTED) if holes else (POISON, BROKEN))
            inside = holes and (customer == ABORTED or chance.random() < transactions)
            yield Purchase(at, partition, customer, 0.01 + chance.random() * 0.3 if inside else 0.0)


def _faults(chance: random.Random) -> Iterator[Fault]:
    kinds = chance.sample(
        ("kill", "pause", "stop", "join", "two joins", "down", "kick", "storm", "compact", "cut"),
        chance.randrange(1, 6),
    )
    for _ in range(chance.randrange(1, 7)):
        at, kind, worker = chance.random() * FAULT_SECONDS * 0.8, chance.choice(kinds), chance.randrange(4)
        steps = chance.choice((0, chance.randrange(4), chance.randrange(10), chance.randrange(60)))
        if kind in ("pause", "cut"):
            seconds = SESSION * chance.choice((0.2, 0.6, 1.2, 2.5))
        elif kind == "down":
            seconds = SESSION * chance.choice((0.1, 0.8, 1.6))
        else:
            seconds = SESSION * chance.choice((0.0, 0.5, 1.5))
        if kind == "two joins":
            yield Fault(at, "join", worker)
            at, kind = at + chance.random() * 0.3, "join"
        moment = chance.choice(("any", "rows", "rows", "outputs"))
        yield Fault(at, kind, worker, steps, seconds, moment)
