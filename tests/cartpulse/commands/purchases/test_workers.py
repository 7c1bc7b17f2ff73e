"""What is said of the workers after a sending."""

from __future__ import annotations

from typing import Any

import pytest

from cartpulse.commands.purchases.workers import workers_said


def told(sent: int, read: int, **refused: int) -> dict[str, Any]:
    return {"sent": sent, "read": read, "refused": {name.replace("_", "-"): n for name, n in refused.items()}}


CHANGED = (
    "2 of them were refused by the workers: 2 changed (event ids of orders that were counted before with "
    "other content: send a return and a new order instead). `cartpulse dead-letters list` shows them."
)
BEHIND = (
    "Workers have come to 8 of these 9 records so far. 1 of them was refused by the workers: 1 too-old "
    "(older than the last 32 orders of their customers, so they may have been counted before). `cartpulse "
    "dead-letters list` shows them."
)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        (None, ""),
        (told(5, 0), "No worker has read them yet."),
        (told(5_000, 1_200), "Workers have come to 1,200 of these 5,000 records so far."),
        (told(5, 5), "Workers have read them all and refused none."),
        (told(5, 5, changed=2), CHANGED),
        (told(9, 8, too_old=1), BEHIND),
    ],
)
def test_it_says_how_far_workers_are_and_what_they_refused(workers: dict[str, Any] | None, said: str) -> None:
    assert " ".join(workers_said(workers)) == said
