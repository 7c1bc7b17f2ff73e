"""Parts of the ledger: exclusive processor time of each, and the cost of steps by their size."""

from __future__ import annotations

import functools
import importlib
import io
import os
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks.speed.ledger_process import Feeder, settle_memory
from benchmarks.speed.log import log_of
from models.contracts.timestamps import time_text

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: Final = {
    "decode": ("records.decoder:Decoder.decode",),
    "advance: the run": ("ledger.ledger:Ledger.advance", "ledger.ledger:Ledger._advance"),
    "advance: customers' rows": ("ledger.baskets:apply", "ledger.baskets:_apply_turn"),
    "advance: ring": ("ledger.baskets:_remember",),
    "advance: stores and channel": ("state.visits:numbered", "state.visits:count"),
    "advance: names and open days": ("state.open_days:consumed_lines", "state.open_days:add"),
    "advance: histograms": ("learning.rfm:Histograms.move",),
    "advance: alerts fulfilled": ("alerts.lifecycle:fulfil",),
    "advance: first segments": ("segments.changes:introduce",),
    "step: begin": ("state.step:Step.__init__",),
    "step: undo images": ("state.step:Step.touch",),
    "step: emit": ("state.step:Step.emit",),
    "step: rows": (
        "ledger.storage:changes_of",
        "state.customer_rows:days_of",
        "state.customer_rows:habits_of",
    ),
    "recommendations: who, rank": ("recommendations.recommend:answer", "recommendations.recommend:recommend"),
    "recommendations: score": (
        "recommendations.candidates:open_trips",
        "recommendations.candidates:own_habits",
        "recommendations.candidates:something_new",
    ),
    "recommendations: events": ("recommendations.events:emit",),
    "recommendations: products": (
        "recommendations.products:own_products",
        "recommendations.products:likeliest",
        "recommendations.products:usual_products",
    ),
    "alerts: events": ("alerts.events:emit_raised", "alerts.events:emit_closings"),
    "alerts: products": ("alerts.evidence:usual_products",),
    "segments: events": ("segments.changes:_change",),
    "events: ids": ("contracts.events:event_ids",),
    "events: headers": ("contracts.encoding:block_of",),
    "sweep: the slice": ("ledger.ledger:Ledger.sweep", "ledger.ledger:Ledger._bring_to_boundary"),
    "sweep: catch up": ("ledger.day_end:catch_up",),
    "sweep: fold": (
        "state.habits:fold_categories",
        "state.habits:fold_products",
        "state.open_days:bought_on",
    ),
    "sweep: plan": ("alerts.lifecycle:plan", "alerts.lifecycle:next_due"),
    "sweep: raise and miss": ("alerts.lifecycle:raise_due", "alerts.lifecycle:close_missed"),
    "sweep: lists": ("alerts.lists:raise_due", "alerts.lists:close_ended", "alerts.lists:next_due"),
    "sweep: lapses": ("alerts.lapses:tell_due", "alerts.lapses:next_due"),
    "sweep: segments": ("segments.changes:reconsider",),
    "sweep: clusters": ("clusters.changes:reconsider",),
    "sweep: sums and landmarks": ("state.shopping:count_day", "value.foresight:take_landmarks"),
    "boundary: clusters": ("clusters.features:learn", "clusters.changes:moving"),
    "boundary: activity": ("value.foresight:learn", "value.foresight:due"),
    "boundary": ("ledger.boundaries:begin", "ledger.boundaries:lay_out_sweep", "segments.limits:freeze"),
}
"""Functions of each part, as `module:name` below `models`. The time of a part excludes that of parts that it
calls."""
STEPS: Final = {1: 200, 20: 60, 200: 20, 600: 9}
"""Baskets in a step, and steps tried of each size."""


def named(path: str) -> tuple[Any, str, Callable[..., Any]]:
    """Look a function of `PARTS` up.

    Returns:
        Its module or class, its name there, and the function.

    Raises:
        AttributeError: The function is no longer there.
    """
    module, _, name = path.partition(":")
    owner: Any = importlib.import_module(f"models.{module}")
    *classes, name = name.split(".")
    for each in classes:
        owner = getattr(owner, each)
    return owner, name, getattr(owner, name)


class Timers:
    """Exclusive processor time of wrapped functions, by part."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        """Time by part, ns."""
        self.calls: Counter[str] = Counter()
        self._running: list[str] = []
        self._since = 0

    def install(self) -> None:
        """Wrap the functions of all parts wherever a module of `models` refers to them.

        Raises:
            AttributeError: A function of `PARTS` is no longer there.
        """
        for part, functions in PARTS.items():
            for path in functions:
                owner, name, plain = named(path)
                timed = self.timed(part, plain)
                setattr(owner, name, timed)
                for module_name, module in list(sys.modules.items()):
                    if module_name.partition(".")[0] == "models":
                        for attribute, value in list(vars(module).items()):
                            if value is plain:
                                setattr(module, attribute, timed)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its time is charged to a part."""

        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            self._switch()
            self._running.append(part)
            self.calls[part] += 1
            try:
                return function(*arguments, **options)
            finally:
                self._switch()
                self._running.pop()

        return timed

    def _switch(self) -> None:
        """Charge the time since the last switch to the part that runs."""
        now = time.process_time_ns()
        if self._running:
            self.spent[self._running[-1]] += now - self._since
        self._since = time.process_time_ns()


@dataclass
class Parts:
    """Figures of the ledger alone."""

    baskets: int = 0
    rounds: list[Counter[str]] = field(default_factory=list)
    """Per round: processor time by part, ns."""
    calls: Counter[str] = field(default_factory=Counter)
    """Calls of one round by part."""
    steps: int = 0
    """Steps of one round: advances and slices of sweeps."""
    plain: list[float] = field(default_factory=list)
    """Per round without timers: processor time a basket, us."""
    sums: Counter[str] = field(default_factory=Counter)
    sizes: dict[int, list[float]] = field(default_factory=dict)
    """Processor time of single advances in us, by their baskets."""

    def lines(self) -> list[str]:
        """Return the tables for people."""
        total = statistics.median(sum(spent.values()) for spent in self.rounds)
        plain = f"{statistics.median(self.plain):.1f} ({min(self.plain):.1f} to {max(self.plain):.1f})"
        lines = [
            f"{self.baskets:,} baskets, {len(self.rounds)} rounds: {plain} us of CPU a basket without timers",
            "",
            "| part | us a basket | range | % | calls a step |",
            "| --- | --: | --: | --: | --: |",
        ]
        for part in sorted(PARTS, key=lambda part: -self._median(part)):
            each = [spent[part] / self.baskets / 1e3 for spent in self.rounds]
            lines.append(
                f"| {part} | {self._median(part) / self.baskets / 1e3:.1f} | {min(each):.1f}-{max(each):.1f} "
                f"| {100 * self._median(part) / total:.1f} | {self.calls[part] / self.steps:.2f} |"
            )
        lines += [
            "",
            "| baskets in a step | us a step | us a basket | fastest step |",
            "| --: | --: | --: | --: |",
        ]
        for size, spent in self.sizes.items():
            middle = statistics.median(spent)
            lines.append(f"| {size} | {middle:,.0f} | {middle / size:,.1f} | {min(spent):,.0f} |")
        a_basket = {name: count / self.baskets for name, count in self.sums.items()}
        outputs = f"{a_basket['outputs']:.2f} outputs of {a_basket['output_bytes']:,.0f} B"
        rows = f"{a_basket['rows']:.2f} rows of {a_basket['row_bytes']:,.0f} B"
        return [*lines, "", f"A basket: {outputs}, {rows}."]

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return {
            "baskets": self.baskets,
            "us_a_basket": statistics.median(self.plain),
            "us_a_basket_range": [min(self.plain), max(self.plain)],
            "parts_us_a_basket": {part: self._median(part) / self.baskets / 1e3 for part in PARTS},
            "step_us_by_baskets": {size: statistics.median(spent) for size, spent in self.sizes.items()},
            "a_basket": {name: count / self.baskets for name, count in self.sums.items()},
        }

    def _median(self, part: str) -> float:
        return statistics.median(spent[part] for spent in self.rounds)


def run(
    *, warm_days: int = 120, days: int = 30, rounds: int = 3, tell: Callable[[str], None] = lambda _: None
) -> Parts:
    """Measure the ledger alone, from a checkpoint on.

    Args:
        warm_days: Days before those that are measured.
        days: Days that are measured.
        rounds: Times that they are measured, with and without timers in turns.
        tell: Receiver of progress.
    """
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
    log, ends = log_of(warm_days + days)
    start, feeder, parts = ends[warm_days - 1], Feeder(log), Parts()
    tell(f"warming up: {warm_days} days")
    feeder.feed(0, start)
    kept = io.BytesIO()
    feeder.ledger.save(kept)
    settle_memory()

    def restored() -> None:
        kept.seek(0)
        feeder.ledger = feeder.make_ledger()
        feeder.ledger.restore(kept)
        feeder.ledger.settle()

    # Steps by their size first: no function is wrapped yet.
    of_steps = Feeder(_moved(log, start))

    def restored_for_steps() -> None:
        restored()
        of_steps.ledger = feeder.ledger

    for size, count in STEPS.items():
        tell(f"steps of {size}")
        parts.sizes[size] = _steps(of_steps, start, size, count, restored_for_steps)
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        restored()
        fed = feeder.feed(start, len(log))
        parts.baskets, parts.sums = fed.sums["baskets"], Counter(fed.sums)
        parts.plain.append(sum(fed.cpu.values()) / parts.baskets / 1e3)
    timers = Timers()
    timers.install()
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}, by parts")
        restored()
        timers.spent.clear()
        timers.calls.clear()
        fed = feeder.feed(start, len(log))
        parts.rounds.append(Counter(timers.spent))
    parts.calls, parts.steps = Counter(timers.calls), fed.steps["advance"] + fed.steps["sweep"]
    return parts


def _moved(log: list[tuple[bytes, int]], start: int) -> list[tuple[bytes, int]]:
    """Return the log from `start` on without ticks, every event a second after the one before.

    A step ends at a day's boundary, and few days of the log hold 600 baskets.
    """
    moved, at = log[:start], log[start - 1][1]
    for value, _ in log[start:]:
        event = msgspec.json.decode(value)
        if event["kind"] == "purchase":
            at += 1_000
            event["occurred_at"] = time_text(at)
            moved.append((msgspec.json.encode(event), at))
    return moved


def _steps(feeder: Feeder, start: int, size: int, most: int, restore: Callable[[], None]) -> list[float]:
    """Return the processor time in us of advances by `size` baskets; restored every few baskets."""
    spent: list[float] = []
    while len(spent) < most:
        restore()
        # The first step after a restore finds memory that nothing has touched yet.
        at = start + 20 * len(spent)
        feeder.feed(at, at + 20)
        for first in range(at + 20, at + 20 + max(size, 100), size):
            fed = feeder.feed(first, first + size)
            if fed.steps["advance"] == 1 and fed.sums["baskets"] == size:
                spent.append(fed.cpu["advance"] / 1e3)
    return spent[:most]
