"""Notices when workers fight: over one static membership, or over one partition."""

from __future__ import annotations

import logging
from collections import defaultdict, deque

log = logging.getLogger(__name__)

FIGHT = 6
"""Assignments within ten seconds: more than start, scale-out and a lost session together bring about."""

WITHIN_SECONDS = 10.0


MOST_REOPENINGS = 10
"""Of one partition within two minutes. Every fight over a partition ends with a rebalance within a session or
two; one that goes on has a cause that does not pass, such as a second service with our application's name."""

REOPENINGS_WITHIN_SECONDS = 120.0


class Reopenings:
    """Counts how often each partition was opened again because somebody else wrote for it."""

    def __init__(self) -> None:
        self._moments: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_REOPENINGS))

    def too_many(self, partition: int, now: float) -> bool:
        """Take note of one at `now` seconds; whether they go on without end."""
        moments = self._moments[partition]
        moments.append(now)
        return len(moments) == MOST_REOPENINGS and now - moments[0] < REOPENINGS_WITHIN_SECONDS


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
