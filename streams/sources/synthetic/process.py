"""Parameters of invented purchases, parsed from a text such as `customers=1000000,days=90`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self

from streams.errors import CartpulseError


class ProcessError(CartpulseError):
    """A parameter of invented purchases is unknown, missing or out of bounds."""


@dataclass(frozen=True, slots=True)
class Process:
    """Parameters of invented purchases. Shares are of 1.

    >>> Process.parse("customers=1000000,days=90,late=0.01").late
    0.01
    """

    customers: int
    days: int
    seed: int = 1
    start: date = date(2024, 1, 1)
    """First business day."""
    newcomers: float = 0.2
    """Share of customers who join in the first half."""
    leavers: float = 0.1
    """Share of customers who leave for good in the last two thirds."""
    drift: float = 0.1
    """Share of customers who change their habits in the middle third."""
    lift: float = 2.0
    """Factor by which an extra is likelier if the trip has something of its group; at most 1 / 0.3."""
    returns: float = 0.0
    """Share of purchases whose first line is returned three days later."""
    duplicates: float = 0.0
    """Share of events that arrive twice, within an hour."""
    disorder: float = 0.0
    """Share of events that arrive up to half an hour late, so that others overtake them."""
    late: float = 0.0
    """Share of events that arrive two or three days late, when their day has long closed."""
    misrouted: float = 0.0
    """Share of events whose key is not their customer's, so that they lie in any partition."""
    hostile: float = 0.0
    """Records that break the contract, as a share of the events."""

    @property
    def end_ms(self) -> int:
        """Upper bound of the event times, ms since 1970 UTC.

        Returns come three days behind the last purchase.
        """
        end = datetime.combine(self.start + timedelta(days=self.days + 4), time(), UTC)
        return int(end.timestamp()) * 1_000

    def __post_init__(self) -> None:
        for name, least, most in (
            ("customers", 1, 10**9),
            ("days", 1, 3_650),
            ("seed", 0, 10**12),
            ("lift", 0.0, 1 / 0.3),
            *((name, 0.0, 1.0) for name in ("newcomers", "leavers", "drift", "returns", "duplicates")),
            *((name, 0.0, 1.0) for name in ("disorder", "late", "misrouted", "hostile")),
        ):
            if not least <= getattr(self, name) <= most:
                raise ProcessError(f"{name} must be from {least:g} to {most:g}, not {getattr(self, name)}.")
        if not date(2000, 1, 2) <= self.start <= date(2090, 1, 1):
            raise ProcessError(f"start must lie in the years 2000 to 2089, not {self.start}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a process: `name=value`, separated by commas.

        Raises:
            ProcessError: A name is unknown or missing, or a value is out of bounds.
        """
        kinds: dict[str, Any] = {"customers": int, "days": int, "seed": int, "start": date.fromisoformat}
        names = [each.name for each in fields(cls)]
        values: dict[str, Any] = {}
        for pair in text.split(","):
            name, _, value = pair.strip().partition("=")
            if name not in names:
                raise ProcessError(f"There is no parameter {name!r}; there are {', '.join(names)}.")
            try:
                values[name] = kinds.get(name, float)(value)
            except ValueError as error:
                raise ProcessError(f"{name} cannot be {value!r}.") from error
        missing = [name for name in ("customers", "days") if name not in values]
        if missing:
            raise ProcessError(f"{' and '.join(missing)} must be given, as in customers=1000,days=90.")
        return cls(**values)
