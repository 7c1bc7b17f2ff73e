"""Detection of workers that fight over one static membership, or over one partition."""

from __future__ import annotations

import logging
from collections import defaultdict, deque

log = logging.getLogger(__name__)

FIGHT = 6
"""Assignments within ten seconds that count as a fight: more than start, scale-out and a lost session
together cause."""

WITHIN_SECONDS = 10.0


MOST_REOPENINGS = 10
"""Reopenings of one partition within two minutes that end the worker. Every fight over a partition ends with
a rebalance, within a session or two. A fight that goes on has a lasting cause, such as a second service with
our application's name."""

REOPENINGS_WITHIN_SECONDS = 120.0


class Reopenings:
    """Counter of reopenings per partition. A partition is opened again when another worker wrote for it."""

    def __init__(self) -> None:
        self._moments: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_REOPENINGS))

    def too_many(self, partition: int, now: float) -> bool:
        """Count a reopening at `now` seconds; return True if there were too many in a short time."""
        moments = self._moments[partition]
        moments.append(now)
        return len(moments) == MOST_REOPENINGS and now - moments[0] < REOPENINGS_WITHIN_SECONDS


class TakeOvers:
    """Counter of assignments, with a warning of too many in a short time.

    Two workers that share one instance id take the membership from each other without end. Workers that come
    and go, or that are too busy for their session timeout, cause as many assignments. The data is not harmed,
    but no work gets done.

    Args:
        instance: Instance id of the settings, if any.
    """

    def __init__(self, instance: str | None) -> None:
        self._instance = instance
        self._moments: deque[float] = deque(maxlen=FIGHT)

    def assigned(self, now: float) -> bool:
        """Count an assignment at `now` seconds; return True if a fight was detected and logged."""
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
