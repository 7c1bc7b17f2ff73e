"""The check of docstrings finds what opens with a pronoun, wherever it stands."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

from tools import words

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_its_examples_hold() -> None:
    assert doctest.testmod(words).failed == 0


def test_docstrings_of_modules_classes_functions_and_constants_are_read(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""A."""\nX = 1\n"""B."""\nclass C:\n    """C."""\n    def d(self):\n        """D."""\n')
    assert [each.first for each in words.docstrings(path)] == ["A.", "B.", "C.", "D."]


def test_too_many_fail_the_check_and_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(words, "ROOT", tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.py").write_text('"""Whether it is."""\n')
    assert words.main(["models"]) == 1
    assert "models/a.py:1: Whether it is." in capsys.readouterr().out
    assert words.main(["--most", "100", "models"]) == 0


def test_a_long_function_without_comments_by_stage_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(words, "ROOT", tmp_path)
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "a.py"
    body = ["    x = 1"] * 41
    for comments, status in (([], 1), ([0], 1), ([0, 20], 0)):
        staged = [*body]
        for at in comments:
            staged[at] = "    # Stage.\n    x = 1"
        path.write_text("\n".join(("def long():", '    """Count."""', *staged, "")))
        assert words.main(["models"]) == status
        assert ("models/a.py:1: long has more" in capsys.readouterr().out) == bool(status)
    path.write_text("\n".join(("def long():", '    """Count."""', *body[:40], "")))
    assert words.main(["models"]) == 0
