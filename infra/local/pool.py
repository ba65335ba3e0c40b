"""The backends of one service: which of them take requests, and how many each is answering."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from infra.local import affinity


@attrs.frozen(kw_only=True)
class Backend:
    """
    Where one replica answers.

    Attributes:
        id: The replica's.
        socket: A Unix socket that speaks HTTP/1.1.
    """

    id: str
    socket: Path


class NoneReady(Exception):
    """No backend takes requests."""


class Unreachable(Exception):
    """A backend does not take connections, so that it cannot have begun with the request."""


class AllBusy(Exception):
    """Every backend that takes requests has as many as it may have."""


@attrs.define(kw_only=True, eq=False)
class _Place:
    backend: Backend
    is_open: bool = True
    in_flight: int = 0
    last_turn: int = 0
    empty: asyncio.Event = attrs.field(factory=asyncio.Event)


class Pool:
    """
    Backends that take requests, and backends that only finish theirs.

    It belongs to one event loop. What it counts changes in the very step in which a request gets
    its backend, so that two requests never see the same free place.

    Attributes:
        max_concurrency: Requests that a backend may have at once; None: any number.
    """

    def __init__(self, *, max_concurrency: int | None = None) -> None:
        self.max_concurrency = max_concurrency
        self._places: dict[str, _Place] = {}
        self._turn = 0
        self._in_flight = 0
        self._peak = 0
        self._has_refused = False

    def add(self, backend: Backend) -> None:
        """Let it take requests from now on."""
        self._places[backend.id] = _Place(backend=backend)
        self._places[backend.id].empty.set()

    def close(self, backend_id: str) -> None:
        """Give it no new requests; those that it has go on."""
        self._places[backend_id].is_open = False

    def reopen(self, backend_id: str) -> None:
        """Let it take requests again."""
        self._places[backend_id].is_open = True

    async def emptied(self, backend_id: str) -> None:
        """Return when it has no requests left."""
        await self._places[backend_id].empty.wait()

    def remove(self, backend_id: str) -> None:
        """Forget it; whoever still has a request there finds out by itself."""
        self._places.pop(backend_id, None)

    def ready(self) -> list[str]:
        """The ids of those that take requests."""
        return [place.backend.id for place in self._places.values() if place.is_open]

    def in_flight(self, backend_id: str) -> int:
        """How many requests it is answering."""
        return self._places[backend_id].in_flight

    def load(self) -> int:
        """How many requests are being answered."""
        return self._in_flight

    def demand(self) -> int:
        """
        Most requests at once since this was last asked.

        Refused ones count as one more, however many: clients that try again and again must not
        look like a crowd.
        """
        demand = self._peak + self._has_refused
        self._peak = self._in_flight
        self._has_refused = False
        return demand

    @contextmanager
    def request(self, session: str | None, but_not: Collection[str] = ()) -> Iterator[Backend]:
        """
        Give a request its backend for as long as the block lasts.

        A session's requests go to its home as long as there is room; others go where least is in
        flight, in turns where that is equal.

        Args:
            session: The client's word for requests that belong together.
            but_not: Ids of backends that this request has found dead.
        """
        place = self._choose(session, but_not)
        self._turn += 1
        place.last_turn = self._turn
        place.in_flight += 1
        place.empty.clear()
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)
        try:
            yield place.backend
        finally:
            self._in_flight -= 1
            place.in_flight -= 1
            if not place.in_flight:
                place.empty.set()

    def _choose(self, session: str | None, but_not: Collection[str]) -> _Place:
        ready = {
            backend_id: place
            for backend_id, place in self._places.items()
            if place.is_open and backend_id not in but_not
        }
        if not ready:
            self._has_refused = True
            raise NoneReady
        limit = self.max_concurrency
        free = {
            backend_id: place
            for backend_id, place in ready.items()
            if not limit or place.in_flight < limit
        }
        if not free:
            self._has_refused = True
            raise AllBusy
        if session is not None:
            return free[affinity.home(session, free)]
        return min(free.values(), key=lambda place: (place.in_flight, place.last_turn))
