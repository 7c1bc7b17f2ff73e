"""Events of one kind in columns, as a step of a ledger emits them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, overload

from models.contracts.timestamps import time_text

if TYPE_CHECKING:
    from collections.abc import Iterable


class Output(NamedTuple):
    """Event for an output topic, with its CloudEvents attributes in `headers`."""

    topic: str
    """Name of the contract, such as `segment-changes`, before any prefix."""
    key: bytes
    """Customer id, raw UTF-8."""
    value: bytes
    """JSON text."""
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int
    """Event time, ms since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class EventBlock:
    """Events of one topic and type, of one step.

    A writer of record batches reads the columns. A single `Output` is made only when somebody iterates:
    objects and headers for every event would cost 20 us a basket.
    """

    topic: str
    """Name of the contract, such as `segment-changes`, before any prefix."""
    shared: tuple[tuple[str, bytes], ...]
    """Headers that all events share; `ce_id` and `ce_time` follow them."""
    customers: Sequence[bytes]
    """n customer ids, raw UTF-8, which are the records' keys."""
    values: Sequence[bytes]
    """n JSON texts."""
    identities: Sequence[str]
    """n `ce_id`, each of ASCII characters."""
    times: Sequence[int]
    """n event times, ms since 1970 UTC."""

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Output]:
        columns = zip(self.customers, self.values, self.identities, self.times, strict=True)
        for customer, value, identity, at in columns:
            headers = (*self.shared, ("ce_id", identity.encode()), ("ce_time", time_text(at).encode()))
            yield Output(self.topic, customer, value, headers, at)

    def take(self, places: Sequence[int]) -> EventBlock:
        """Return the block of the events at some places."""
        return replace(
            self,
            customers=[self.customers[place] for place in places],
            values=[self.values[place] for place in places],
            identities=[self.identities[place] for place in places],
            times=[self.times[place] for place in places],
        )


class Outputs(Sequence[Output]):
    """Events of a step, block by block, as a sequence of single events.

    Args:
        blocks: Blocks in the order in which the step emitted them.
    """

    def __init__(self, blocks: Iterable[EventBlock] = ()) -> None:
        self.blocks = tuple(blocks)

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def __iter__(self) -> Iterator[Output]:
        return chain.from_iterable(self.blocks)

    @overload
    def __getitem__(self, place: int) -> Output: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Output]: ...
    def __getitem__(self, place: int | slice) -> Output | Sequence[Output]:
        return tuple(self)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment] # equal to lists, which have no hash either

    def __repr__(self) -> str:
        return f"Outputs({tuple(self)!r})"
