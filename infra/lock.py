"""One apply per App at a time, across machines: takes, renews and releases leases."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeVar

import attrs

from infra import stub
from infra.connection import PlaneStopped, stopped
from infra.errors import InfraError, TargetError
from infra.holder import has_ended
from infra.lease import (
    LAST_GENERATION,
    LIFETIME,
    MARGIN,
    Holder,
    Lease,
    Locked,
    LockLost,
    Row,
    rows,
)

DICT = "infra-locks"
RENEWED_EVERY = LIFETIME / 4  # seconds: two renewals in a row may fail
RELEASE_PATIENCE = 10.0  # seconds; a lock that can't be released ends by itself
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 2.0  # seconds between two looks at a lock that is held

Tell = Callable[[str], None]
T = TypeVar("T")

# Why at most one process holds an App's lock, although a Dict knows only "put if absent":
#
# - A lock is a row of generations, keys `<app>/<n>`; the highest counts. To take a free lock and to
#   end one is to create the next generation if it is absent, so of two who try one wins.
# - Only generations below one that exists are removed, so the highest never goes back. Whoever
#   created a key holds the lock only when it then reads that key as the highest: a slow process
#   may create one that was there before and is gone again.
# - A holder renews by overwriting its own key, and counts on that only if the answer came before
#   its lease was over. Whoever takes a lease that is over looked at the clock before it read. So
#   nobody takes a lease that was renewed, while no two clocks differ by more than MARGIN.


@attrs.frozen(kw_only=True)
class Clock:
    """
    Time, and the passing of it.

    Attributes:
        now: Seconds since 1970; they also pass while the machine is suspended.
        sleep: Wait so many seconds.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


SYSTEM_CLOCK = Clock()


@asynccontextmanager
async def locked(
    apps: Iterable[str],
    *,
    stack: str,
    environment: str | None,
    holder: Holder,
    timeout: float,
    tell: Tell,
    on_this_machine: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator["Leases"]:
    """
    Hold the locks of Apps until the block ends, however it ends.

    Args:
        apps: Names of the Apps.
        stack: The stack that is worked on; for others to read.
        environment: The Modal environment; None: the workspace's default.
        holder: This process.
        timeout: Seconds to wait for other holders; 0: not at all.
        tell: Takes a line when there is something to wait for.
        on_this_machine: Whether all who hold locks there are processes of this machine, as it is
            with the local control plane: one that has ended holds none.
        clock: Time.

    Raises:
        Locked: Somebody else held one of them for all that time; none is held now.
    """
    entries = await _Entries.open(environment, create=True)
    leases = Leases(
        entries, stack=stack, holder=holder, on_this_machine=on_this_machine, clock=clock
    )
    renewal = asyncio.create_task(leases.keep())
    try:
        await leases.take(apps, timeout, tell)
        yield leases
    finally:
        renewal.cancel()
        await asyncio.wait([renewal])
        await leases.release(tell)


async def unlock(
    apps: Iterable[str],
    *,
    stack: str,
    environment: str | None,
    holder: Holder,
    clock: Clock = SYSTEM_CLOCK,
) -> list[Lease]:
    """
    End the locks of Apps, whoever holds them: `Leases.check` tells that process.

    What is in the place of a lease and is none goes, too.

    Args:
        apps: Names of the Apps.
        stack: The stack that they belong to; for others to read.
        environment: The Modal environment; None: the workspace's default.
        holder: This process.
        clock: Time.

    Returns:
        The leases that had not been released.
    """
    entries, now = await _Entries.open(environment, create=False), clock.now()
    ended: list[Lease] = []
    for row in (await entries.read(apps)).values():
        with suppress(TargetError):
            ended.append(row.lease())
        await entries.end(
            row,
            Lease(
                app=row.app,
                generation=row.generations[-1] + 1,
                token=secrets.token_hex(8),
                stack=stack,
                holder=holder,
                acquired_at=now,
                expires_at=now,
                released=True,
            ),
        )
    return [lease for lease in ended if not lease.released]


async def holders(
    apps: Iterable[str], *, environment: str | None, clock: Clock = SYSTEM_CLOCK
) -> list[Lease]:
    """The leases that keep others from these Apps now; nothing is written."""
    entries, now = await _Entries.open(environment, create=False), clock.now()
    found = [row.lease() for row in (await entries.read(apps)).values()]
    return [lease for lease in found if not lease.is_free(now)]


class Leases:
    """The leases of one `locked` block."""

    def __init__(
        self,
        entries: "_Entries",
        *,
        stack: str,
        holder: Holder,
        clock: Clock,
        on_this_machine: bool = False,
    ) -> None:
        self._entries = entries
        self._on_this_machine = on_this_machine
        self._stack = stack
        self._holder = holder
        self._clock = clock
        self._token = secrets.token_hex(8)
        self._tried: set[str] = set()
        self._held: dict[str, Lease] = {}

    async def check(self) -> None:
        """
        Make sure, before an App is changed, that all locks are still held.

        Raises:
            LockLost: One is not, because this process was suspended or cut off, or by `unlock`.
        """
        found = await self._entries.read(self._held)
        for app, lease in self._held.items():
            current = found[app].lease() if app in found else None
            ours = current is not None and current.is_held_by(self._token)
            if not ours or self._clock.now() >= lease.expires_at:
                raise LockLost(lease, current)

    async def take(self, apps: Iterable[str], timeout: float, tell: Tell) -> None:
        """Acquire locks one after the other; see `locked`."""
        # In one order for all processes, so that no two wait for each other.
        left, told, pause = sorted(set(apps)), "", SHORTEST_PAUSE
        deadline = self._clock.now() + timeout
        while left:
            now, app = self._clock.now(), left[0]
            row = (await self._entries.read([app])).get(app)
            current = row.lease() if row else None
            ours = current is not None and current.is_held_by(self._token)
            if current and ours and now < current.expires_at:
                self._held[app] = current
                left.remove(app)
            elif current is None or ours or current.is_free(now) or self._is_left(current):
                await self._create(app, current.generation + 1 if current else 1)
            elif now >= deadline:
                raise Locked(current)
            else:
                if current.token != told:
                    tell(f"app.{app}: Waiting for the lock of {current.holder}...")
                told = current.token
                await self._clock.sleep(min(pause, deadline - now))
                pause = min(pause * 1.5, LONGEST_PAUSE)

    async def keep(self) -> None:
        """Renew for ever; where it fails, the next time may succeed, or `check` says why not."""
        while True:
            await self._clock.sleep(RENEWED_EVERY)
            with suppress(InfraError):
                await self.check()
                await asyncio.gather(*map(self._renew, self._held.values()))

    async def release(self, tell: Tell) -> None:
        """Let go of what is ours, without an error that would hide why the block ended."""
        tried = sorted(self._tried)
        failed: dict[str, list[str]] = {}
        for app, why in zip(tried, await asyncio.gather(*map(self._release, tried)), strict=True):
            if why:
                failed.setdefault(why, []).append(f"app.{app}")
        for why, apps in failed.items():
            tell(
                f"{', '.join(apps)}: Lock not released ({why}); it ends by itself within "
                f"{LIFETIME + MARGIN:.0f} s"
            )

    def _is_left(self, lease: Lease) -> bool:
        """Whether its process has ended without releasing it."""
        return self._on_this_machine and has_ended(lease.holder)

    async def _create(self, app: str, generation: int) -> None:
        now = self._clock.now()
        self._tried.add(app)
        lease = Lease(
            app=app,
            generation=generation,
            token=self._token,
            stack=self._stack,
            holder=self._holder,
            acquired_at=now,
            expires_at=now + LIFETIME,
            released=False,
        )
        await self._entries.put(lease, if_absent=True)

    async def _renew(self, lease: Lease) -> None:
        renewed = attrs.evolve(lease, expires_at=self._clock.now() + LIFETIME)
        await self._entries.put(renewed)
        if self._clock.now() < lease.expires_at:
            self._held[lease.app] = renewed

    async def _release(self, app: str) -> str:
        """Why it can't be done; empty: it is done, or nobody need know."""
        try:
            async with asyncio.timeout(RELEASE_PATIENCE):
                row = (await self._entries.read([app])).get(app)
                lease = row.lease() if row else None
                if row and lease and lease.is_held_by(self._token):
                    end = attrs.evolve(lease, generation=lease.generation + 1, released=True)
                    await self._entries.end(row, end)
        except PlaneStopped:
            return ""  # on this machine the lock ends with its process
        except (InfraError, TimeoutError) as error:
            return str(error) or "no answer"
        return ""


@attrs.frozen(kw_only=True)
class _Entries:
    """
    The entries of the Dict as bytes, through the client of the SDK.

    The SDK's own methods for Dicts unpickle what they read: that would run, on this machine, code
    of anybody who can write to the workspace.

    Attributes:
        dict_id: Modal's; empty where there is no such Dict, and so nothing in it.
    """

    dict_id: str

    @classmethod
    async def open(cls, environment: str | None, *, create: bool) -> Self:
        import modal

        entries = modal.Dict.from_name(DICT, environment_name=environment, create_if_missing=create)
        try:
            await entries.hydrate.aio()
        except modal.exception.Error as error:
            if isinstance(error, modal.exception.NotFoundError) and not create:
                return cls(dict_id="")
            raise _said(error) from error
        return cls(dict_id=entries.object_id)

    async def read(self, apps: Iterable[str]) -> dict[str, Row]:
        """What there is of these Apps, in one call for all."""

        async def contents(stub: Any, api: Any) -> list[tuple[bytes, bytes]]:
            request = api.DictContentsRequest(dict_id=self.dict_id, keys=True, values=True)
            return [(e.key, e.value) async for e in stub.DictContents.unary_stream(request)]

        return rows(await _ask(contents), apps) if self.dict_id else {}

    async def put(self, lease: Lease, *, if_absent: bool = False) -> None:
        """
        Write a lease under its key.

        Whether it was absent is for the next `read` to say: the SDK repeats a call whose answer is
        lost, and the second time it is there.
        """

        async def update(stub: Any, api: Any) -> None:
            entry = api.DictEntry(key=lease.key.encode(), value=lease.to_json())
            request = api.DictUpdateRequest(
                dict_id=self.dict_id, updates=[entry], if_not_exists=if_absent
            )
            await stub.DictUpdate(request)

        await _ask(update)

    async def end(self, row: Row, end: Lease) -> None:
        """
        Put the generation that ends a row, then remove those before the one that it ends.

        That one stays: a `read` that began before the put and does not see what is new sees it.
        Only the last one that there can be goes with its row, as none could end it.
        """
        is_last = row.generations[-1] >= LAST_GENERATION

        async def pop(stub: Any, api: Any) -> None:
            gone = row.generations if is_last else row.generations[:-1]
            keys = [f"{row.app}/{generation}".encode() for generation in gone]
            requests = (api.DictPopRequest(dict_id=self.dict_id, key=key) for key in keys)
            await asyncio.gather(*map(stub.DictPop, requests))

        if not is_last:
            await self.put(end, if_absent=True)
        await _ask(pop)


async def _ask(ask: Callable[[Any, Any], Awaitable[T]]) -> T:
    """Make a call that the SDK has no public method for."""
    import modal.exception
    from grpclib.exceptions import ProtocolError, StreamTerminatedError

    try:
        return await stub.call("locking", ask)
    except (modal.exception.Error, OSError, ProtocolError, StreamTerminatedError) as error:
        raise _said(error) from error


def _said(error: Exception) -> TargetError:
    return stopped() or TargetError(f"locking, in Dict {DICT}: {type(error).__name__}: {error}")
