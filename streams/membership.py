"""Notices when two workers fight over one static membership."""

from __future__ import annotations

import logging
from collections import deque

log = logging.getLogger(__name__)

FIGHT = 6
"""Assignments within ten seconds: more than start, scale-out and a lost session together bring about."""

WITHIN_SECONDS = 10.0


class TakeOvers:
    """Counts assignments; two workers with one instance id take the membership from each other without end.

    That does no harm to the data, and no work gets done.

    Args:
        instance: the instance id of the settings, if any.
    """

    def __init__(self, instance: str | None) -> None:
        self._instance = instance
        self._moments: deque[float] = deque(maxlen=FIGHT)

    def assigned(self, now: float) -> bool:
        """Take note of an assignment at `now` seconds; True when it was said that there is a fight."""
        self._moments.append(now)
        fight = len(self._moments) == FIGHT and now - self._moments[0] < WITHIN_SECONDS
        if fight:
            cause = (
                f"another worker has the same CARTPULSE_GROUP_INSTANCE_ID, {self._instance!r}"
                if self._instance
                else "workers come and go, or are too busy for their session timeout"
            )
            log.warning("Assigned %d times within %g s: %s", FIGHT, WITHIN_SECONDS, cause)
            self._moments.clear()
        return fight
