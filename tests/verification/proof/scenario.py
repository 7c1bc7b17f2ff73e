"""What a scenario is, and the list of all there are."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping

    from tests.verification.proof.stage import Stage

    Story = Callable[[Stage, random.Random], Awaitable[None]]

Guarantee = Literal["at_least_once", "exactly_once"]
BOTH: Final[tuple[Guarantee, ...]] = ("at_least_once", "exactly_once")

Broker = Literal["shared", "own", "cluster"]
"""`shared`: one node for all runs. `own`: a node that a run may kill, or that is configured for it.
`cluster`: three nodes, of which it may kill any. What a run takes away it brings back."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A fault, and how often it is tried.

    Args:
        name: as in the report.
        story: what happens; it starts workers, breaks things and returns. The load is finished and compared
            with the oracle after it.
        runs: how often, under each guarantee.
        guarantees: under which it makes sense.
        broker: what it needs.
        seconds: how long a run takes, about; what takes four times as long, and a minute, hangs.
        rate: events a second.
        events: of the load.
        days: of the file that these cover, at least.
        settings: of the service, where they differ from the proof's.
        properties: of its own broker.
        topics: configuration of topics, by the name in the contract, `changelog` for the changelog.
        transactions: whether the load writes in transactions, some of them aborted.
        stall: seconds that a partition may stand still beyond the session; None where nothing is promised.
    """

    name: str
    story: Story
    runs: int
    guarantees: tuple[Guarantee, ...] = BOTH
    broker: Broker = "shared"
    seconds: float = 25
    rate: float = 500
    events: int = 6_000
    days: int = 6
    settings: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    topics: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    transactions: bool = False
    stall: float | None = 5.0


REGISTRY: Final[dict[str, Scenario]] = {}


def scenario(name: str, **options: Any) -> Callable[[Story], Story]:
    """Enter a story into the list; the options are those of `Scenario`."""

    def enter(story: Story) -> Story:
        if name in REGISTRY:
            raise ValueError(f"there are two scenarios called {name!r}")
        REGISTRY[name] = Scenario(name=name, story=story, **options)
        return story

    return enter


def scenarios() -> dict[str, Scenario]:
    """Return the scenarios of every module of `proof/scenarios`, in order of module and place."""
    from tests.verification.proof import scenarios as package  # noqa: PLC0415 - they import this module

    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return REGISTRY
