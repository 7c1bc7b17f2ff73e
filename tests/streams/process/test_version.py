"""Which release this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING

from streams.process import version as release

if TYPE_CHECKING:
    import pytest


def test_what_matters_is_named_with_its_version() -> None:
    told = release.versions()
    assert list(told)[:2] == ["cartpulse", "python"]
    assert told["aiokafka"] == "0.14.0"
    assert told["faust-streaming"] == "0.15.3"


def test_a_service_that_runs_from_its_source_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(release, "version", missing)
    assert release.release() == "source"
