"""The mutations fit the code as it is, and the command says which of them nothing notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.verification.mutations import __main__ as command
from tests.verification.mutations.plan import MUTATIONS, Edit, Misfit, Mutation

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_edit_changes_a_text_that_is_there_exactly_once(mutation: Mutation) -> None:
    for file, old, new in mutation.edits:
        text = (command.ROOT / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} holds {text.count(old)} times:\n{old}"
        compile(text.replace(old, new), file, "exec")


def test_no_two_mutations_have_one_name() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


def test_an_edit_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text("x = 1\nx = 1\n", encoding="utf-8")
    mutation = Mutation("unfit", (Edit("twice.py", "x = 1", "x = 2"),), ())
    with pytest.raises(Misfit, match="2 times"):
        mutation.apply(tmp_path)


def test_a_mutation_that_nothing_notices_makes_the_command_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = 'import sys; print("VIOLATED at 1.000: it is wrong"); sys.exit(1)'
    monkeypatch.setattr(
        command,
        "MUTATIONS",
        (Mutation("noticed", (), ("-c", failing)), Mutation("not noticed", (), ("-c", "pass"))),
    )
    assert command.main([]) == 1
    written = capsys.readouterr().out
    assert "it is wrong" in written
    assert "SURVIVED" in written
    assert "2 mutations, 1 survived" in written
    assert command.main(["--only", "noticed"]) == 1
    monkeypatch.setattr(command, "MUTATIONS", (Mutation("noticed", (), ("-c", failing)),))
    assert command.main([]) == 0
