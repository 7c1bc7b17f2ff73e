"""The way between processes and the broker: slow, out of order, and sometimes without an answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaConnectionError, KafkaError

from tests.verification.simulation.loop import LANE

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.verification.simulation.loop import Lane, VirtualLoop


@dataclass(slots=True)
class Weather:
    """How the network is."""

    delay: float = 0.001
    """Usual seconds of one way."""
    slow: float = 0.02
    """Share of messages that take up to a hundred times as long."""
    lost: float = 0.0
    """Share of requests without an answer: a third never arrive, a third are obeyed, a third much later."""
    latest: float = 1.0
    """Seconds by which a request may be late whose sender has given it up, or is dead."""


@dataclass(slots=True)
class Link:
    """A connection on which nothing overtakes, not even what its sender has given up and sent again."""

    arrived: float = 0.0


@dataclass(slots=True, eq=False)
class _Flight:
    lane: Lane
    act: Callable[[], Any]
    answer: asyncio.Future[Any] | None
    timer: asyncio.TimerHandle | None = None


class Network:
    """Carries requests; each is a function that the broker runs when it arrives.

    Args:
        loop: whose time it takes.
        chance: of the schedule.
        weather: how it is; may be changed.
    """

    def __init__(self, loop: VirtualLoop, chance: random.Random, weather: Weather) -> None:
        self.weather = weather
        self._loop = loop
        self._chance = chance
        self._life: int | None = 1
        self._lives = 1
        self._flights: dict[int, _Flight] = {}
        self._cut: dict[str, float] = {}
        self._number = 0

    @property
    def up(self) -> bool:
        """Whether the broker answers."""
        return self._life is not None

    def down(self) -> None:
        """The broker is gone, and with it every answer under way."""
        self._life = None

    def back(self) -> None:
        """It answers again."""
        self._lives += 1
        self._life = self._lives

    async def ask(self, act: Callable[[], Any], link: Link | None = None) -> Any:
        """Have the broker do something, and wait for the answer.

        Args:
            act: returns the answer or a future of it, or raises.
            link: keeps its requests in order; without one they may overtake each other.

        Raises:
            KafkaConnectionError: there is no answer; it may be done, or be done later.
            KafkaError: what the broker answers.
        """
        answer = self._loop.create_future()
        chance, weather = self._chance, self.weather
        flight = _Flight(LANE.get(), act, answer)
        after = self._way(flight.lane)
        if chance.random() < weather.lost:
            kind = chance.randrange(3)
            flight.answer = None
            self._loop.later(after + chance.random() * 0.5, self._give_up, answer)
            if kind == 0:
                return await answer
            if kind == 1:
                after += chance.random() * weather.latest
        if link is not None:
            link.arrived = max(link.arrived, self._loop.time() + after)
            after = link.arrived - self._loop.time()
        self._send(flight, after)
        return await answer

    def cut(self, lane: Lane, seconds: float) -> None:
        """Nothing passes to or from a process for a while; what is on its way comes after that."""
        self._cut[lane.name] = self._loop.time() + seconds

    def mend(self) -> None:
        """What is sent from now on passes again."""
        self._cut.clear()

    def crashed(self, lane: Lane) -> None:
        """What a dead process has sent may be lost, or arrive, or arrive late."""
        for number, flight in list(self._flights.items()):
            if flight.lane is not lane or flight.timer is None:
                continue
            flight.answer = None
            kind = self._chance.randrange(3)
            if kind == 0:
                continue
            flight.timer.cancel()
            del self._flights[number]
            if kind == 1:
                self._send(flight, (0.5 + self._chance.random()) * (0.7 + self.weather.latest))

    def _way(self, lane: Lane) -> float:
        weather, chance = self.weather, self._chance
        times = chance.random() * 100 if chance.random() < weather.slow else 1.0
        held = max(0.0, self._cut.get(lane.name, 0.0) - self._loop.time())
        return held + weather.delay * (0.5 + chance.random()) * times

    def _send(self, flight: _Flight, after: float) -> None:
        self._number += 1
        self._flights[self._number] = flight
        flight.timer = self._loop.later(after, self._arrive, self._number)

    def _arrive(self, number: int) -> None:
        flight = self._flights.pop(number)
        life = self._life
        if life is None:
            self._loop.later(0.02, self._give_up, flight.answer)
            return
        try:
            done = flight.act()
        except KafkaError as error:
            self._back(flight, life, None, error)
            return
        if isinstance(done, asyncio.Future):
            done.add_done_callback(
                lambda done: self._back(
                    flight,
                    life,
                    *((None, done.exception()) if done.exception() else (done.result(), None)),
                ),
                context=self._loop.outside,
            )
        else:
            self._back(flight, life, done, None)

    def _back(self, flight: _Flight, life: int, value: Any, error: BaseException | None) -> None:
        if flight.answer is not None:
            self._loop.later(self._way(flight.lane), self._deliver, flight.answer, life, value, error)

    def _deliver(
        self, answer: asyncio.Future[Any], life: int, value: Any, error: BaseException | None
    ) -> None:
        if life != self._life:
            self._give_up(answer)
        elif not answer.done():
            if error is None:
                answer.set_result(value)
            else:
                answer.set_exception(error)

    def _give_up(self, answer: asyncio.Future[Any] | None) -> None:
        if answer is not None and not answer.done():
            answer.set_exception(KafkaConnectionError("no answer"))
