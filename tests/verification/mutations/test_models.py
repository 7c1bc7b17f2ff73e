"""The list of survivors fits the code as it is, and the command says where it and a run differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.verification.mutations import __main__ as command
from tests.verification.mutations import models, rules, runner, survivors
from tests.verification.mutations.runner import Change, Outcome

if TYPE_CHECKING:
    from pathlib import Path

RING = rules.Watched("models/state/ring.py", ())
KILLED = Change(RING.file, "Ring.enter", "one = 1", "one = 2")
SURVIVED = Change(RING.file, "Ring.enter", "two = 2", "two = 3")


def text_of(file: str) -> str:
    """A file as one line."""
    lines = (models.ROOT / file).read_text(encoding="utf-8").splitlines()
    return " ".join(line.strip() for line in lines)


def test_every_watched_file_and_its_tests_are_there() -> None:
    for watched in rules.WATCHED:
        assert (models.ROOT / watched.file).is_file()
        for test in watched.tests:
            assert (models.ROOT / test).is_file()
    for test in rules.TOO_SLOW:
        file, _, name = test.partition("::")
        assert f"def {name}(" in text_of(file)


def test_every_listed_survivor_changes_a_text_that_is_there() -> None:
    for change in survivors.listed():
        assert change.file in {watched.file for watched in rules.WATCHED}
        assert f"def {change.function.rpartition('.')[2]}(" in text_of(change.file)
        assert change.was in text_of(change.file)


def test_a_mutant_is_told_by_its_function_and_by_what_it_changes(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    source = 'class Ring:\n    """Ring."""\n\n    def less(self, a: int) -> bool:\n        return a < 1\n'
    (tmp_path / "models" / "ring.py").write_text(source, encoding="utf-8")
    runner.configure(tmp_path, rules.Watched("models/ring.py", ()))
    made = runner.changes_of(tmp_path, "models/ring.py")
    assert set(made.values()) == {
        Change("models/ring.py", "Ring.less", "return a < 1", "return a <= 1"),
        Change("models/ring.py", "Ring.less", "return a < 1", "return a < 2"),
    }


def test_what_decides_nothing_is_left_out() -> None:
    for was, now in (
        ("f(a)", "f(None)"),
        ("zip(a, strict=True)", "zip(a, strict=False)"),
        ('sort(a, kind="stable")', 'sort(a, kind="STABLE")'),
    ):
        assert runner.decides_nothing(Change("", "", was, now))
    assert not runner.decides_nothing(Change("", "", "f(None, 1)", "f(None, 2)"))


@pytest.mark.parametrize(
    ("outcome", "listed", "said", "answer"),
    [
        (Outcome([KILLED] * 99, [], 0), [], "99 killed, 0 survived, 0 listed, 0 unlisted", 0),
        (Outcome([KILLED] * 99, [SURVIVED], 0), [SURVIVED], "1 survived, 1 listed, 0 unlisted", 0),
        (Outcome([KILLED] * 99, [SURVIVED], 0), [], "SURVIVED and is not on the list", 1),
        (Outcome([KILLED] * 99, [], 0), [SURVIVED], "no mutant of the code any more", 1),
        (Outcome([KILLED] * 99, [], 0), [KILLED], "a test notices it by now", 1),
        (Outcome([KILLED] * 9, [SURVIVED], 0), [SURVIVED], "TOO MANY survive: more than 3%", 1),
        (Outcome([], [], 0), [], "0 mutants made", 1),
    ],
)
def test_a_run_is_judged_by_the_list(outcome: Outcome, listed: list[Change], said: str, answer: int) -> None:
    judged, sentences = models.judged([outcome], listed, whole=True)
    assert judged == answer
    assert said in "\n".join(sentences)


def test_of_a_part_more_may_survive() -> None:
    assert models.judged([Outcome([KILLED], [SURVIVED], 0)], [SURVIVED], whole=False)[0] == 0


def test_the_command_tries_the_files_that_were_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = []

    def run(_: Path, watched: rules.Watched, *, jobs: int) -> Outcome:
        tried.append((watched.file, jobs))
        return Outcome([KILLED], [SURVIVED], 0)

    monkeypatch.setattr(models, "run", run)
    assert command.main(["models", "--only", "ring", "--jobs", "1"]) == 1
    assert tried == [(RING.file, 1)]
    assert "two = 3" in capsys.readouterr().out


def test_a_survivor_is_listed_once_and_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "survivors.toml"
    entry = '[[survivor]]\nfile = "a"\nfunction = "b"\nwas = "c"\nnow = "d"\nwhy = "e"\n'
    path.write_text(entry, encoding="utf-8")
    assert survivors.listed(path) == {Change("a", "b", "c", "d"): "e"}
    for wrong in (entry * 2, entry.replace('"e"', '""')):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError, match="twice, or without a reason"):
            survivors.listed(path)
