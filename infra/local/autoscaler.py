"""Keeps as many replicas of one service in its pool as the decisions in `scaling` ask for."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

import attrs

from infra.local import scaling
from infra.local.pool import Backend, Pool
from infra.local.scaling import Fleet, Sample, Settings

_TICK_SECONDS = 0.2
# For exit hooks and what is left of the engine, when the requests are done.
_EXIT_SECONDS = 30.0
_SHOWN = 400  # characters of a reason, in one line


class Replica(Protocol):
    """What the autoscaler needs of a replica."""

    @property
    def id(self) -> str: ...

    @property
    def socket(self) -> Path: ...

    @property
    def state(self) -> str:
        """It gets requests while this is "ready"; "stopped" is an end that somebody asked for."""
        ...

    async def start(self) -> None:
        """Begin; if that fails, leave nothing behind."""
        ...

    async def wait_ready(self) -> None:
        """Return when it serves; raise when it has ended before."""
        ...

    async def wait_ended(self) -> None:
        """Return when nothing of it is left."""
        ...

    async def stop(self, grace_seconds: float) -> None:
        """End it; return when nothing of it is left."""
        ...

    def obituary(self) -> str:
        """Why it ended."""
        ...


Launch = Callable[[], Replica]


@attrs.define(kw_only=True, eq=False)
class _Member:
    replica: Replica
    version: int
    exit_grace_period: float
    ready_since: float | None = None
    leave: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def is_ready(self) -> bool:
        return self.ready_since is not None and not self.leave.is_set()

    @property
    def is_starting(self) -> bool:
        return self.ready_since is None and not self.leave.is_set()


class Autoscaler:
    """
    Starts replicas, replaces those that failed and lets go of those that nobody needs.

    It belongs to one event loop, the pool's.

    Args:
        pool: Where replicas take requests while they are ready.
        tell: Gets a line, or a few, for each change: of how many are wanted, of a replica's state.

    Attributes:
        wanted: How many replicas there should be.
        last_failure: Why the last one failed that did, and the last line of what it said.
    """

    def __init__(self, *, pool: Pool, tell: Callable[[str], None]) -> None:
        self._pool = pool
        self._tell = tell
        self.wanted = 0
        self.last_failure = ""
        self._settings = Settings()
        self._launch: Launch | None = None
        self._exit_grace_period = 0.0
        self._version = 0
        self._failures = 0
        self._not_before = 0.0
        self._samples: deque[Sample] = deque()
        self._members: list[_Member] = []
        self._lives: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def deploy(self, launch: Launch, settings: Settings, *, exit_grace_period: float) -> None:
        """
        Make this the current version; replicas of earlier ones go as its own get ready.

        Args:
            launch: Makes a replica that is not started yet.
            settings: The version's own; they end those that `update` gave to an earlier one.
            exit_grace_period: Seconds for requests in flight when a replica goes.
        """
        self._launch = launch
        self._exit_grace_period = exit_grace_period
        self._version += 1
        # Another version may fail for other reasons, or not at all.
        self._failures = 0
        self._not_before = 0.0
        self.update(settings)

    def update(self, settings: Settings) -> None:
        """Put other settings in force at once."""
        self._settings = settings
        self._wake.set()

    @property
    def failures(self) -> int:
        """How many replicas of this version have failed in a row; 0 while one is ready."""
        is_served = any(each.version == self._version for each in self._ready())
        return 0 if is_served else self._failures

    def start(self) -> None:
        """Begin to act."""
        self._running = asyncio.create_task(self._run())

    def check(self) -> None:
        """Raise what has ended it, if something has: nobody else would hear of it."""
        running = self._running
        if running is not None and running.done() and not running.cancelled():
            running.result()

    async def stop(self, grace_seconds: float = 0.0) -> None:
        """Let every replica go, its requests within so many seconds; return when all are gone."""
        if self._running is not None:
            self._running.cancel()
            # What has ended it earlier must not keep the replicas from going.
            await asyncio.wait([self._running])
        for member in self._members:
            member.exit_grace_period = min(member.exit_grace_period, grace_seconds)
        self._let_go(self._members, len(self._members))
        await asyncio.gather(*self._lives)

    def reconcile(self, now: float) -> None:
        """Take one step from the replicas that there are to those that there should be."""
        settings = self._settings
        demand = self._pool.demand()
        self._samples.append(Sample(now, demand))
        memory = max(settings.scaleup_window, settings.scaledown_window)
        # One sample from before the windows shows that they are known from their beginnings.
        while len(self._samples) > 1 and self._samples[1].time <= now - memory:
            self._samples.popleft()
        wanted = scaling.desired(self._samples, settings, now, self.wanted)
        if wanted != self.wanted:
            why = scaling.reason(self.wanted, wanted, demand, settings)
            self._tell(f"{self.wanted} -> {wanted} replicas: {why}")
            self.wanted = wanted
        for member in self._members:
            if member.is_starting and member.version != self._version:
                member.leave.set()
            if member.is_ready:
                self._follow(member.replica)
        step = scaling.step(self._fleet(), self.wanted, settings.max_containers)
        self._let_go(
            [each for each in self._ready() if each.version != self._version], step.replace
        )
        current = [each for each in self._members if each.version == self._version]
        starting = [each for each in reversed(current) if each.is_starting]
        self._let_go(starting, step.retire)
        self._let_go([each for each in current if each.is_ready], step.retire - len(starting))
        if now >= self._not_before:
            for _ in range(step.start):
                self._add()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            if self._launch is not None:
                self.reconcile(loop.time())
            # Not wait_for, which in Python 3.11 may swallow the cancellation that stops us.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._wake.wait()

    def _fleet(self) -> Fleet:
        outdated = [each for each in self._ready() if each.version != self._version]
        return Fleet(
            starting=sum(each.is_starting for each in self._members),
            ready=len(self._ready()) - len(outdated),
            outdated=len(outdated),
            leaving=sum(each.leave.is_set() for each in self._members),
        )

    def _ready(self) -> list[_Member]:
        return [each for each in self._members if each.is_ready]

    def _follow(self, replica: Replica) -> None:
        """A replica whose port does not answer gets no requests until it does."""
        if replica.state == "ready":
            self._pool.reopen(replica.id)
        else:
            self._pool.close(replica.id)

    def _let_go(self, members: list[_Member], count: int) -> None:
        """Those that are least busy, the first ones where that is equal."""
        ready = [each for each in members if each.is_ready]
        ready.sort(key=lambda each: self._pool.in_flight(each.replica.id))
        for member in [*(each for each in members if not each.is_ready), *ready][: max(0, count)]:
            member.leave.set()
            if member.ready_since is not None:
                # At once, not when its task gets to it: its place may be filled from here on.
                self._pool.close(member.replica.id)

    def _add(self) -> None:
        assert self._launch is not None
        member = _Member(
            replica=self._launch(),
            version=self._version,
            exit_grace_period=self._exit_grace_period,
        )
        self._members.append(member)
        life = asyncio.create_task(self._live(member))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    async def _live(self, member: _Member) -> None:
        replica = member.replica
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            self._tell(f"replica {replica.id} starts")
            await replica.start()
            await _either(replica.wait_ready(), member.leave.wait())
            if not member.leave.is_set():
                self._pool.add(Backend(id=replica.id, socket=replica.socket))
                member.ready_since = loop.time()
                seconds = member.ready_since - begun
                self._tell(f"replica {replica.id} is ready after {seconds:.1f} s")
                self._wake.set()
                await _either(replica.wait_ended(), member.leave.wait())
            if member.leave.is_set():
                await self._see_off(member)
            elif replica.state == "stopped":
                self._tell(f"replica {replica.id} was stopped by hand")
            else:
                self._note_failure(member, replica.obituary())
        except Exception as error:
            self._note_failure(member, str(error))
        finally:
            self._pool.remove(replica.id)
            self._members.remove(member)
            self._wake.set()

    async def _see_off(self, member: _Member) -> None:
        replica = member.replica
        if member.ready_since is not None:
            await _either(
                self._pool.emptied(replica.id),
                replica.wait_ended(),
                within=member.exit_grace_period,
            )
            if member.version == self._version:
                self._failures = 0  # this one has not failed
        await replica.stop(_EXIT_SECONDS)
        self._tell(f"replica {replica.id} has stopped")

    def _note_failure(self, member: _Member, reason: str) -> None:
        if member.leave.is_set() or member.version != self._version:
            self._tell(reason)
            return
        now = asyncio.get_running_loop().time()
        served = 0.0 if member.ready_since is None else now - member.ready_since
        self._failures = scaling.failures_in_a_row(self._failures, served)
        self.last_failure = _shortened(reason)
        pause = scaling.pause(self._failures)
        self._not_before = now + pause
        self._tell(f"{reason}\n    No other one starts for {pause:g} s.")


def _shortened(reason: str) -> str:
    """One line: how it begins, and its end unless that is in it: there an exception is named."""
    first, *others = map(str.strip, reason.splitlines() or [""])
    end = others[-1] if others else ""
    said = first.removesuffix(" Its last output:") if end in first else f"{first} {end}"
    return said.rstrip(".")[:_SHOWN]


async def _either(*alternatives: Coroutine[Any, Any, object], within: float | None = None) -> None:
    """Return when one of them has, or after so many seconds; raise what it raises."""
    tasks = [asyncio.create_task(each) for each in alternatives]
    try:
        done, _ = await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
