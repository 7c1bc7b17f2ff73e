"""Plugin of pytest for runs of mutmut 3.7, which reads an attribute that pytest 9.2 no longer has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test its id under the old name too."""
    for item in items:
        item._nodeid = item.nodeid  # type: ignore[attr-defined]
