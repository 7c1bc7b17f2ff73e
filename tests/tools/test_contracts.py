"""The folder of contract documents: written, and held against the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.contracts.documents import documents
from tests.support.paths import DOCS
from tools.contracts import differences, main, write

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

COMMITTED = DOCS / "contracts"


def test_the_committed_documents_are_those_of_the_models() -> None:
    assert differences(COMMITTED) == []


def test_writing_makes_the_folder_equal_and_says_what_changed(tmp_path: Path) -> None:
    folder = tmp_path / "contracts"
    assert {path.name for path in write(folder)} == set(documents())
    (folder / "purchase.v1.json").write_text("{}", encoding="utf-8")
    (folder / "signal.v1.json").unlink()
    (folder / "mine.json").write_text("{}", encoding="utf-8")

    assert differences(folder) == ["purchase.v1.json", "signal.v1.json"]
    assert [path.name for path in write(folder)] == ["purchase.v1.json", "signal.v1.json"]
    assert (folder / "mine.json").exists()
    assert differences(folder) == []
    assert write(folder) == []


def test_a_folder_that_differs_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--folder", str(tmp_path / "contracts")]
    assert main(["--check", *folder]) == 1
    assert "asyncapi.json" in capsys.readouterr().err
    assert main(folder) == 0
    assert "asyncapi.json" in capsys.readouterr().out
    assert main(["--check", *folder]) == 0
