"""Sentences about what a service on the wall clock waits for before it sends outputs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from models.state.clock_row import UNTIL_LIVE_MS
from streams.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.clock import Clock
    from streams.operations.log_clock import LogClock
    from streams.settings.settings import Settings


def outlook(
    settings: Settings, found: LogClock, times: Sequence[int], *, clock: Clock | None = None
) -> list[str]:
    """Say which purchases count as history, and what comes next; empty where nothing is held back.

    Args:
        settings: Service settings: the business time zone and the hour of the boundary.
        found: Clock of the service's log.
        times: Event times of the purchases concerned, ms since 1970 UTC.
        clock: Clocks of the machine.
    """
    if not found.wall or not times:
        return []
    now = (clock or SystemClock()).now_ms()
    if found.live_at is None or found.live_at > now:
        return [f"{_loading(len(times), found.live_at, settings)} `cartpulse go-live` ends history."]
    old = sum(at <= found.live_at for at in times)
    if not old:
        return []
    moment = _moment(found.live_at, settings)
    said = (
        f"1 purchase is older than go-live, {moment}, and counts as history."
        if old == 1
        else f"{old:,} purchases are older than go-live, {moment}, and count as history."
    )
    boundary = _boundary(settings, now)
    return [said, f"Next: a recommendation at the next purchase, alerts at the boundary, {boundary}."]


def _loading(count: int, live_at: int | None, settings: Settings) -> str:
    counts = f"{count:,} purchase counts" if count == 1 else f"{count:,} purchases count"
    if live_at is None:
        return f"{counts} as history: the log holds no `live` record, so nothing is sent."
    until = "" if live_at >= UNTIL_LIVE_MS else f", set for {_moment(live_at, settings)}"
    return f"{counts} as history: nothing is sent before go-live{until}."


def _moment(at: int, settings: Settings) -> str:
    return f"{datetime.fromtimestamp(at / 1000, ZoneInfo(settings.time_zone)):%-d %b %Y %H:%M}"


def _boundary(settings: Settings, now: int) -> str:
    """Name the next day boundary. The wall clock closes it later by the allowed lateness."""
    here = datetime.fromtimestamp(now / 1000, ZoneInfo(settings.time_zone))
    late = timedelta(minutes=settings.lateness_minutes)
    boundary = here.replace(hour=settings.boundary_hour, minute=0, second=0, microsecond=0)
    if here >= boundary + late:
        boundary += timedelta(days=1)
    day = "today" if boundary.date() == here.date() else "tomorrow"
    held = f" (known {settings.lateness_minutes} minutes later)" if settings.lateness_minutes else ""
    return f"{day} {boundary:%H:%M} in {settings.time_zone}{held}"
