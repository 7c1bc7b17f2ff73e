"""Sentences about the workers after a sending: how far they have read, and which records they refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MEANING: Final = {
    "changed": "event ids of orders that were counted before with other content: send a return and a new "
    "order instead",
    "reused-id": "event ids of other orders of the same customers: give each an id of its own",
    "too-old": "older than the last 32 orders of their customers, so they may have been counted before",
    "future": "their times lie too far ahead",
}
"""Code of a dead letter -> its meaning for the orders of a file."""


def workers_said(workers: Mapping[str, Any] | None) -> Iterator[str]:
    """Describe the progress of workers through the records that were sent.

    Args:
        workers: `streams.operations.acceptance.Acceptance` as a mapping; None where nothing is known.
    """
    if workers is None:
        return
    sent, read, refused = workers["sent"], workers["read"], workers["refused"]
    if not read:
        yield "No worker has read them yet."
    elif read < sent:
        yield f"Workers have come to {read:,} of these {sent:,} records so far."
    if refused:
        parts = [
            f"{count:,} {code} ({MEANING[code]})" if code in MEANING else f"{count:,} {code}"
            for code, count in refused.items()
        ]
        total = sum(refused.values())
        verb = "was" if total == 1 else "were"
        yield f"{total:,} of them {verb} refused by the workers: {', '.join(parts)}."
        yield "`cartpulse dead-letters list` shows them."
    elif read >= sent:
        yield "Workers have read them all and refused none."
