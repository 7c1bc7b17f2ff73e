"""A worker process with the real ledger, in which a model fails on one category, having changed things."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING
from unittest import mock

from agents.worker import assemble, run
from models.ledger import baskets
from streams.settings.environment import load_settings

if TYPE_CHECKING:
    from models.records.columns import Records
    from models.state.step import Step

POISON = "POISON"
"""A category whose baskets make the model raise."""


def failing_apply(step: Step, records: Records, indexes: list[int]) -> None:
    """Apply purchases as the ledger does, and then fail where one has the category."""
    baskets.apply(step, records, indexes)
    for index in indexes:
        lines = slice(int(records.line_starts[index]), int(records.line_starts[index + 1]))
        if POISON in records.categories[lines]:
            raise ZeroDivisionError("a planted failure")


def main() -> int:
    """Run until told to stop."""
    settings = load_settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with mock.patch("models.ledger.ledger.apply", failing_apply):
        return run(assemble(settings))


if __name__ == "__main__":
    sys.exit(main())
