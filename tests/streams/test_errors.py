"""The picture of the error tree shows every error that there is, and each name says that it is one."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import TYPE_CHECKING

import agents
import cartpulse
import models
import streams
from streams import errors
from streams.errors import CartpulseError

if TYPE_CHECKING:
    from collections.abc import Iterator


def subclasses(kind: type[CartpulseError], depth: int = 0) -> Iterator[tuple[str, int]]:
    """Yield the name and depth of every error below one, of Cartpulse's own packages."""
    for each in kind.__subclasses__():
        if each.__module__.split(".")[0] in {"models", "streams", "agents", "cartpulse"}:
            yield each.__name__, depth
            yield from subclasses(each, depth + 1)


def test_the_picture_shows_every_error_at_its_place() -> None:
    for package in (models, streams, agents, cartpulse):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name not in {"agents.app", "cartpulse.__main__"}:  # they start something
                importlib.import_module(module.name)
    drawn = re.findall(r"(?m)^ (│   )?[├└]?─?(?:└─)? ?[├└]?─? ?(\w+Error)", errors.__doc__ or "")
    shown = sorted((name, 1 if below else 0) for below, name in drawn)
    there = sorted(subclasses(CartpulseError))
    assert shown == there
    assert all(name.endswith("Error") for name, _ in there)


def test_an_error_says_its_remedy_and_gives_it_apart() -> None:
    error = CartpulseError("No broker answers", remedy="start one.")
    assert (str(error), error.said, error.remedy) == (
        "No broker answers: start one.",
        "No broker answers",
        "start one.",
    )
    assert (str(CartpulseError("It is gone.")), CartpulseError("It is gone.").remedy) == ("It is gone.", "")
