"""The settings table of the operations page is made from the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.settings.reference import BEGIN, END, PAGE, settings_table, with_table
from streams.settings.settings import Settings, variable


def test_the_committed_page_is_up_to_date() -> None:
    page = Path(PAGE).read_text()
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
