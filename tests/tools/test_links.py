"""Every link of the documents leads somewhere, and the check finds the one that does not."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import pytest

from tools import links

if TYPE_CHECKING:
    from pathlib import Path


def test_its_examples_hold() -> None:
    assert doctest.testmod(links).failed == 0


@pytest.mark.parametrize("page", links.pages(links.ROOT), ids=lambda page: page.name)
def test_every_link_of_the_documents_leads_somewhere(page: Path) -> None:
    assert not list(links.dead_links(page, links.ROOT))


def test_the_pages_are_those_at_the_root_and_those_in_docs() -> None:
    found = {str(page.relative_to(links.ROOT)) for page in links.pages(links.ROOT)}
    assert {"README.md", "CONTRIBUTING.md", "docs/vocabulary.md"} <= found


def test_a_dead_link_a_missing_heading_and_a_missing_path_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(links, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(
        "# Two words\n[a](docs/a.md) [gone](docs/gone.md) [in it](#two-words) [other](docs/a.md#gone)\n"
        "[far](https://example.com/gone) `docs/a.md` `streams/gone.py`\n```\n[code](gone.md)\n```\n"
    )
    (tmp_path / "docs" / "a.md").write_text("# A\n[up](../README.md#two-words)\n")
    assert links.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "README.md: docs/gone.md leads nowhere",
        "README.md: docs/a.md#gone leads nowhere",
        "README.md: streams/gone.py leads nowhere",
    ]
    (tmp_path / "README.md").write_text("[a](docs/a.md)\n")
    (tmp_path / "docs" / "a.md").write_text("# A\n")
    assert links.main() == 0
    assert not capsys.readouterr().out
