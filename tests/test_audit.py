"""The audit of the lock fails on what is vulnerable, and never on a service that does not answer."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

verdict = runpy.run_path(str(Path(__file__).parents[1] / ".ci" / "audit"))["verdict"]

SOUND = {"name": "numpy", "version": "2.4", "vulns": []}
VULNERABLE = {
    "name": "jinja2",
    "version": "2.11.2",
    "vulns": [{"id": "PYSEC-2021-66", "fix_versions": ["2.11.3"], "aliases": [], "description": "Slow."}],
}
UNKNOWN = {
    "name": "rich",
    "skip_reason": "Dependency not found on PyPI and could not be audited: rich (14.0)",
}


def report(*packages: object) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_vulnerable_package_is_named_with_its_advisory_and_the_version_that_mends_it() -> None:
    known = verdict(1, report(SOUND, VULNERABLE, UNKNOWN), "Found 1 known vulnerability in 1 package")
    assert known.audited == 2
    assert known.vulnerable == ["jinja2 2.11.2: PYSEC-2021-66 (mended in 2.11.3)"]


def test_sound_packages_are_counted() -> None:
    assert verdict(0, report(SOUND, SOUND), "")[:2] == (2, [])


def test_an_index_without_advisories_has_audited_nothing() -> None:
    assert verdict(0, report(UNKNOWN, UNKNOWN), "No known vulnerabilities found")[:2] == (0, [])


@pytest.mark.parametrize(
    "said",
    [
        "requests.exceptions.ConnectionError: Max retries exceeded with url: /v1/query",
        "error: Failed to fetch: `https://index/simple/pip-audit/`\n  Caused by: dns error",
        "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed",
    ],
)
def test_a_service_that_cannot_be_reached_has_audited_nothing(said: str) -> None:
    known = verdict(1, "", said)
    assert known[:2] == (0, [])
    assert "\n" not in known.said


def test_a_lock_that_cannot_be_read_is_a_failure() -> None:
    with pytest.raises(ValueError, match="does not contain a hash"):
        verdict(1, "", "ERROR:pip_audit._cli:requirement jinja2>=2 does not contain a hash")
