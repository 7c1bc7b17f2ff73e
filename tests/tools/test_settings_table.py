"""The settings table of the operations page is made from the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.settings.settings import Settings, variable
from tools.settings_table import BEGIN, END, PAGE, main, settings_table, with_table

if TYPE_CHECKING:
    from pathlib import Path


def test_the_committed_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "run `make docs`"


def test_every_setting_is_in_the_table_once_with_its_meaning() -> None:
    table = settings_table()
    for name, field in Settings.model_fields.items():
        assert table.count(f"| `{variable(name)}` |") == 1, name
        assert field.description, name
        assert field.description in table, name


def test_text_around_the_table_is_kept() -> None:
    page = with_table(f"before\n{BEGIN}\nstale table\n{END}\nafter\n")
    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "stale table" not in page
    assert with_table(page) == page


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        with_table("nothing here")


def test_a_page_that_differs_fails_the_check_and_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main(["--check"], page=page) == 1
    assert main([], page=page) == 0
    assert main(["--check"], page=page) == 0
