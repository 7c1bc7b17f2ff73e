"""The notebook's page, run as it stands there: its code from top to bottom, and what it prints."""

from __future__ import annotations

import contextlib
import io
import json
import re
from typing import TYPE_CHECKING, Any

from cartpulse import AlertClosing, LedgerSettings, ReplenishmentAlert, read_purchases, replay
from tests.support.paths import DOCS, ROOT

if TYPE_CHECKING:
    import pytest

BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)


def test_the_code_of_the_page_prints_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = (DOCS / "notebook.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    printed, shown = "", 0
    for language, content in BLOCK.findall(page):
        if language == "text":
            assert printed.split() == content.split()
            shown += 1
            continue
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(content, names)  # noqa: S102 - the page's own code
        printed = output.getvalue()
    assert shown == 4
    assert len(names["frame"]) == len(names["rows"]) > 250
    assert {event.alert_id for event in names["events"] if isinstance(event, AlertClosing)} < set(
        names["frame"].alert_id
    )
    assert len(names["rows"]) + len(names["closings"]) > 400


def test_the_way_from_a_file_to_a_data_frame_is_eight_lines() -> None:
    page = (DOCS / "notebook.md").read_text(encoding="utf-8")
    _, first = BLOCK.findall(page)[0]
    assert len([line for line in first.splitlines() if line]) == 8


def test_the_readme_has_the_same_eight_lines_and_an_alert_that_they_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert code == BLOCK.findall((DOCS / "notebook.md").read_text(encoding="utf-8"))[0][1]
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    settings = LedgerSettings(currency="GBP", time_zone="Europe/London", segment_minimum_population=5)
    purchases = read_purchases(
        "docs/tutorial/sales.csv", settings, columns={"category": "Description"}, refused=lambda _: None
    )
    events = (event for event in replay(purchases, settings) if isinstance(event, ReplenishmentAlert))
    alerts = {alert.alert_id: alert for alert in events}
    alert = json.loads(shown)
    assert alerts[alert["alert_id"]].model_dump(mode="json", exclude_none=True) == alert
