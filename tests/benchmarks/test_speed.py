"""The benchmarks of speed run, and notice a ledger whose bytes differ."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from benchmarks.speed import pair, parts
from benchmarks.speed.__main__ import main
from benchmarks.speed.machine import Machine, this_machine
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy of this tree, as far as the ledger goes."""
    for folder in ("models", "streams"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_equal_trees_are_told_beside_each_other(copy: Path) -> None:
    figures = pair.run_trees(copy, "copy", warm_days=1, days=1)
    assert figures.sums[0] == figures.sums[1]
    assert figures.sums[0]["baskets"] > 100
    assert "outputs equal, rows equal" in figures.lines()[0]
    assert min(figures.as_json()["cpu_us_a_basket"]) > 0


def test_an_output_that_differs_in_a_byte_is_shown(copy: Path) -> None:
    edit(copy / "models" / "segments" / "changes.py", "Last bought ", "Bought ")
    with pytest.raises(
        pair.DifferentOutputsError, match=r"(?s)output \d+ differs:\nhere .*Last bought .*\nthere"
    ):
        pair.run_trees(copy, "copy", warm_days=0, days=2)


def test_rows_that_differ_are_shown_unless_they_may(copy: Path) -> None:
    edit(
        copy / "models" / "memory" / "rows.py", "zlib.crc32(body).to_bytes", "(zlib.crc32(body) ^ 1).to_bytes"
    )
    with pytest.raises(pair.DifferentOutputsError, match="row 0 differs"):
        pair.run_trees(copy, "copy", warm_days=0, days=1)
    assert not pair.run_trees(copy, "copy", warm_days=0, days=1, compare_rows=False).rows_equal


def test_the_parts_of_the_ledger_are_all_called_and_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "STEPS", {1: 2, 20: 1})
    monkeypatch.setattr(parts.Timers, "install", lambda _: None)
    figures = parts.run(warm_days=2, days=1, rounds=1)
    assert figures.baskets > 100
    assert len(figures.sizes[1]) == 2
    assert figures.sums["outputs"] > figures.baskets / 10


def test_every_part_names_functions_that_are_there() -> None:
    for functions in parts.PARTS.values():
        for path in functions:
            assert callable(parts.named(path)[2])


def test_time_is_charged_to_the_innermost_part() -> None:
    timers = parts.Timers()
    inner = timers.timed("inner", lambda: sum(range(400_000)))
    outer = timers.timed("outer", inner)
    assert outer() == inner()
    assert timers.calls == {"outer": 1, "inner": 2}
    assert timers.spent["inner"] > 20 * timers.spent["outer"] > 0


def test_a_busy_machine_is_named_on_top() -> None:
    quiet = this_machine()
    values = quiet.as_json()
    values.pop("busy")
    assert Machine(**values | {"load": 3.5}).lines()[0].startswith("BUSY: load 3.5")
    assert not Machine(**values | {"load": 0.1}).lines()[0].startswith("BUSY")


def test_a_benchmark_that_is_none_is_refused_with_the_names_of_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["pairs"])
    assert "no such benchmark: pairs; there are parts, pair, full" in capsys.readouterr().err
