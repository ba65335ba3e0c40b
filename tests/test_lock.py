"""Locks through the real SDK, against the local control plane, between real processes."""

import asyncio
import functools
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Self

import attrs
import modal
import pytest
from modal._utils.async_utils import synchronizer
from modal.client import _Client
from modal_proto.api_pb2 import DictContentsRequest, DictEntry, DictUpdateRequest

from infra import lock
from infra.errors import InfraError, TargetError
from infra.holder import has_ended, holder_of_this_process
from infra.lease import (
    LAST_GENERATION,
    LIFETIME,
    MARGIN,
    SIZE_LIMIT,
    Holder,
    Lease,
    Locked,
    LockLost,
    Row,
)
from infra.local import ControlPlane
from infra.lock import Clock, Leases, holders, unlock

NOON = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
ALICE = Holder(user="alice", host="desk", pid=11, command="apply", ci_url="")
BOT = Holder(user="bob", host="ci-7", pid=22, command="apply", ci_url="https://ci.example/run/9")

# Takes the locks of its arguments at each line "take", and answers each line with one of its own.
_CHILD = """
import asyncio, os, sys, time
from infra.lease import Locked, LockLost
from infra.holder import holder_of_this_process
from infra.lock import Clock, locked

async def said():
    return (await asyncio.to_thread(sys.stdin.readline)).strip()

async def main(ahead, *apps):
    holder = holder_of_this_process("apply", os.environ)
    clock = Clock(now=lambda: time.time() + float(ahead))
    while await said():
        try:
            async with locked(
                apps, stack="dev", environment=None, holder=holder, timeout=0, tell=print,
                clock=clock,
            ) as leases:
                print("held", flush=True)
                while await said() == "check":
                    try:
                        await leases.check()
                        print("fine", flush=True)
                    except LockLost as error:
                        print(error, flush=True)
            print("released", flush=True)
        except Locked as error:
            print("locked", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


class Child:
    """A process that is told line by line to take and to release locks."""

    def __init__(self, *apps: str, ahead: float = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(ahead), *apps],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, line: str) -> str:
        self.say(line)
        return self.answer()


@pytest.fixture
def start(control_plane: ControlPlane) -> Iterator[Callable[..., Child]]:
    """Start children; whatever still runs at the end is killed."""
    children: list[Child] = []

    def new(*apps: str, ahead: float = 0) -> Child:
        children.append(Child(*apps, ahead=ahead))
        return children[-1]

    yield new
    for child in children:
        child.process.kill()
        child.process.communicate()


async def _never(_: float) -> None:
    await asyncio.Event().wait()


@attrs.define
class Hand:
    """A clock that stands still unless it is set."""

    time: float = NOON

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.time, sleep=_never)


def locked(*apps: str, **changed: Any) -> AbstractAsyncContextManager[Leases]:
    """The lock of these Apps, for Alice, without waiting."""
    usual = {"stack": "dev", "environment": None, "holder": ALICE, "timeout": 0, "tell": print}
    return lock.locked(apps, **{**usual, **changed})


def raw(call: Callable[[Any, str], Awaitable[Any]]) -> Any:
    """Make a call about the Dict itself, past all that pickles."""
    dict_id = modal.Dict.from_name("infra-locks", create_if_missing=True).hydrate().object_id

    async def ask() -> Any:
        return await call((await _Client.from_env())._stub, dict_id)

    return synchronizer.create_blocking(ask)()


def stored() -> dict[bytes, bytes]:
    """The Dict's entries, as bytes."""

    async def contents(stub: Any, dict_id: str) -> dict[bytes, bytes]:
        request = DictContentsRequest(dict_id=dict_id, keys=True, values=True)
        return {each.key: each.value async for each in stub.DictContents.unary_stream(request)}

    found: dict[bytes, bytes] = raw(contents)
    return found


def store(key: bytes, value: bytes) -> None:
    """Put an entry, as bytes."""
    entry = DictEntry(key=key, value=value)
    raw(lambda stub, di: stub.DictUpdate(DictUpdateRequest(dict_id=di, updates=[entry])))


def held(*apps: str, now: float = NOON) -> list[Lease]:
    """Who holds these Apps' locks."""
    return asyncio.run(holders(apps, environment=None, clock=Hand(now).clock))


def unlocked(*apps: str, now: float = NOON) -> list[Lease]:
    """End these Apps' locks, as Bob."""
    bob = attrs.evolve(BOT, command="unlock")
    clock = Hand(now).clock
    return asyncio.run(unlock(apps, stack="dev", environment=None, holder=bob, clock=clock))


async def hold_for_a_moment(*apps: str, **changed: Any) -> None:
    """Take the locks, then release them."""
    async with locked(*apps, **changed):
        pass


async def take(entries: lock._Entries | None = None, clock: Clock | None = None) -> Leases:
    """Take a lock for Bob and leave it so, as a process that is killed."""
    entries = entries or await lock._Entries.open(None, create=True)
    leases = Leases(entries, stack="prod", holder=BOT, clock=clock or Hand().clock)
    await leases.take(["chat"], 0, print)
    return leases


@attrs.frozen(kw_only=True)
class Meddled(lock._Entries):
    """Entries whose writes are in the hands of `meddle`."""

    meddle: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]

    async def put(self, lease: Lease, *, if_absent: bool = False) -> None:
        await self.meddle(functools.partial(super().put, lease, if_absent=if_absent))

    @classmethod
    async def by(cls, meddle: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]) -> Self:
        entries = await lock._Entries.open(None, create=True)
        return cls(dict_id=entries.dict_id, meddle=meddle)


Start = Callable[..., Child]


def test_of_two_processes_one_gets_the_lock(start: Start) -> None:
    """Two processes that reach for a lock at once, 20 times: one has it, one is refused."""
    racers = [start("chat"), start("chat")]
    for _ in range(20):
        for racer in racers:
            racer.say("take")
        answers = [racer.answer() for racer in racers]
        assert sorted(answers) == ["held", "locked"]
        assert racers[answers.index("held")].ask("release") == "released"
    assert len(stored()) <= 3


def test_an_expired_lease_goes_to_one_of_many(start: Start) -> None:
    """A process is killed; of four that reach for its lock when it is over, one gets it."""
    dead = start("chat")
    assert dead.ask("take") == "held"
    dead.process.kill()
    assert start("chat").ask("take") == "locked"
    takers = [start("chat", ahead=LIFETIME + MARGIN) for _ in range(4)]
    for taker in takers:
        taker.say("take")
    assert sorted(taker.answer() for taker in takers) == ["held", "locked", "locked", "locked"]


def test_a_suspended_holder_is_told_that_it_lost(start: Start) -> None:
    """Stopped past its lease's end and continued, a process learns who took the lock."""
    suspended = start("chat")
    assert suspended.ask("take") == "held"
    assert suspended.ask("check") == "fine"
    suspended.process.send_signal(signal.SIGSTOP)
    later = Hand(NOON * 2)

    async def take_over() -> None:
        async with locked("chat", holder=BOT, clock=later.clock) as leases:
            suspended.process.send_signal(signal.SIGCONT)
            assert await asyncio.to_thread(suspended.ask, "check") == (
                "app.chat: the lock is lost: bob on ci-7 (process 22, infra apply, "
                "https://ci.example/run/9) took it at 2084-01-29 16:00:00 UTC; "
                "only its holder may change the App; plan again"
            )
            assert await asyncio.to_thread(suspended.ask, "release") == "released"
            await leases.check()

    asyncio.run(take_over())


def test_an_interrupted_process_releases(start: Start) -> None:
    """Ctrl-C ends the block, and with it the lock."""
    child = start("chat")
    assert child.ask("take") == "held"
    child.process.send_signal(signal.SIGINT)
    child.process.communicate()
    assert child.process.returncode != 0
    asyncio.run(hold_for_a_moment("chat"))


def test_opposite_orders_do_not_deadlock(control_plane: ControlPlane) -> None:
    """Blocks that want the same two Apps in opposite orders all get their turn, one at a time."""
    inside = 0
    clock = Clock(sleep=lambda seconds: asyncio.sleep(seconds / 50))

    async def work(*apps: str) -> None:
        nonlocal inside
        for _ in range(10):
            async with locked(*apps, timeout=60, tell=lambda _: None, clock=clock):
                inside += 1
                await asyncio.sleep(0)
                assert inside == 1
                inside -= 1

    async def both() -> None:
        await asyncio.gather(work("chat", "embed"), work("embed", "chat"))

    asyncio.run(both())
    assert held("chat", "embed") == []


def test_a_lease_is_taken_over_only_past_the_margin(control_plane: ControlPlane) -> None:
    """A lease that is over is left alone until clocks that differ must agree on it."""
    asyncio.run(take())
    over = NOON + LIFETIME + MARGIN
    with pytest.raises(Locked):
        asyncio.run(hold_for_a_moment("chat", clock=Hand(over - 0.001).clock))
    assert [lease.app for lease in held("chat", now=over - 0.001)] == ["chat"]
    assert held("chat", now=over) == []
    asyncio.run(hold_for_a_moment("chat", clock=Hand(over).clock))


def test_a_lease_is_renewed_for_as_long_as_the_block_runs(control_plane: ControlPlane) -> None:
    """An hour later the lock is still held, and others are still refused."""
    hand = Hand()

    async def sleep(seconds: float) -> None:
        hand.time += seconds
        await asyncio.sleep(0)

    async def work() -> None:
        clock = Clock(now=lambda: hand.time, sleep=sleep)
        async with locked("chat", "embed", clock=clock) as leases:
            while hand.time < NOON + 3600:
                await leases.check()
            with pytest.raises(Locked) as refusal:
                await hold_for_a_moment("embed", clock=Clock(now=lambda: hand.time, sleep=_never))
        assert refusal.value.lease.acquired_at < NOON + 3600
        assert refusal.value.lease.expires_at > NOON + 3600

    asyncio.run(work())


def test_two_renewals_in_a_row_may_fail(control_plane: ControlPlane) -> None:
    """A lease outlives a target that does not answer for a minute, again and again."""
    hand = Hand()
    outcomes = itertools.cycle([True, False, False, True])

    async def sleep(seconds: float) -> None:
        hand.time += seconds
        await asyncio.sleep(0)

    async def flaky(put: Callable[[], Awaitable[None]]) -> None:
        if not next(outcomes):
            raise TargetError("no answer")
        await put()

    async def work() -> None:
        clock = Clock(now=lambda: hand.time, sleep=sleep)
        leases = await take(await Meddled.by(flaky), clock)
        renewal = asyncio.create_task(leases.keep())
        while hand.time < NOON + 3600:
            await leases.check()
            assert not renewal.done()
        renewal.cancel()

    asyncio.run(work())


def test_a_lease_that_was_not_renewed_does_not_count(control_plane: ControlPlane) -> None:
    """A holder that slept past its lease may not go on, even where nobody took the lock."""
    hand = Hand()

    async def work() -> None:
        async with locked("chat", clock=hand.clock) as leases:
            hand.time += LIFETIME - 0.001
            await leases.check()
            hand.time += 0.001
            with pytest.raises(LockLost) as loss:
                await leases.check()
        assert str(loss.value) == (
            "app.chat: the lock is lost: it could not be renewed until 2027-01-15 08:02:00 UTC; "
            "only its holder may change the App; plan again"
        )

    asyncio.run(work())
    assert held("chat", now=hand.time) == []


def test_a_renewal_that_comes_too_late_does_not_count(control_plane: ControlPlane) -> None:
    """The answer to a renewal came when the lease was over: somebody may have taken it before."""
    hand = Hand()

    async def late(put: Callable[[], Awaitable[None]]) -> None:
        await put()
        hand.time = NOON + LIFETIME

    async def work() -> None:
        leases = await take(clock=hand.clock)
        hand.time = NOON + LIFETIME / 2
        leases._entries = await Meddled.by(late)
        (lease,) = leases._held.values()
        await leases._renew(lease)
        with pytest.raises(LockLost):
            await leases.check()

    asyncio.run(work())


def test_a_lock_whose_taking_took_too_long_is_taken_again(control_plane: ControlPlane) -> None:
    """Nobody waits for a lease of its own that was over before its answer came."""
    hand, spans = Hand(), [LIFETIME, 0.0]

    async def late(put: Callable[[], Awaitable[None]]) -> None:
        await put()
        hand.time += spans.pop(0)

    async def work() -> None:
        await (await take(await Meddled.by(late), hand.clock)).check()

    asyncio.run(work())
    assert [lease.key for lease in held("chat", now=hand.time)] == ["chat/2"]


def test_a_slow_look_takes_no_lease_that_was_renewed(control_plane: ControlPlane) -> None:
    """What was read may be older than the clock says: it is judged by the time before it."""
    hand = Hand()

    class Slow(lock._Entries):
        async def read(self, apps: Iterable[str]) -> dict[str, Row]:
            found = await super().read(apps)
            hand.time = NOON + LIFETIME + MARGIN
            return found

    async def work() -> None:
        renewing = await take()
        entries = Slow(dict_id=renewing._entries.dict_id)
        with pytest.raises(Locked):
            await take(entries, clock=hand.clock)

    asyncio.run(work())


def test_a_slow_process_does_not_win_with_an_old_generation(control_plane: ControlPlane) -> None:
    """What it found absent is absent again, for others have come and gone: it holds nothing."""

    async def slow(put: Callable[[], Awaitable[None]]) -> None:
        await hold_for_a_moment("chat")
        await hold_for_a_moment("chat")
        await take()
        await put()

    async def work() -> None:
        with pytest.raises(Locked) as refusal:
            await take(await Meddled.by(slow))
        assert refusal.value.lease.generation == 5

    asyncio.run(work())
    assert {b"chat/1", b"chat/5"} <= stored().keys()


def test_a_call_that_is_made_twice_takes_the_lock(control_plane: ControlPlane) -> None:
    """The SDK repeats a call whose answer was lost; its own entry does not keep it out."""

    async def twice(put: Callable[[], Awaitable[None]]) -> None:
        await put()
        await put()

    async def work() -> None:
        await (await take(await Meddled.by(twice))).check()

    asyncio.run(work())


def test_waiting_ends_when_the_lock_is_released(start: Start) -> None:
    """Who waits is told for whom, once, and gets the lock when it is free."""
    child = start("chat")
    assert child.ask("take") == "held"
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        assert child.ask("release") == "released"

    asyncio.run(hold_for_a_moment("chat", timeout=600, tell=tell))
    holder = attrs.evolve(holder_of_this_process("apply", os.environ), pid=child.process.pid)
    assert lines == [f"app.chat: Waiting for the lock of {holder}..."]


def test_waiting_ends_with_its_time(control_plane: ControlPlane) -> None:
    """Pauses grow, and add up to the time that was asked for; nothing is held then."""
    asyncio.run(take())
    hand, pauses, lines = Hand(), list[float](), list[str]()

    async def sleep(seconds: float) -> None:
        if seconds == lock.RENEWED_EVERY:
            await _never(seconds)
        pauses.append(seconds)
        hand.time += seconds

    clock = Clock(now=lambda: hand.time, sleep=sleep)
    with pytest.raises(Locked):
        asyncio.run(hold_for_a_moment("aa", "chat", timeout=20, tell=lines.append, clock=clock))
    assert (pauses[0], max(pauses)) == (0.2, 2.0)
    assert sum(pauses) == pytest.approx(20)
    assert pauses[:-1] == sorted(pauses[:-1])
    assert len(lines) == 1
    assert [lease.app for lease in held("aa", "chat")] == ["chat"]


def test_whatever_ends_the_block_releases(control_plane: ControlPlane) -> None:
    """An error, and a cancellation while the block waits: both pass on, and the lock is free."""

    async def fail() -> None:
        async with locked("chat", "embed"):
            assert len(await holders(["chat", "embed"], environment=None)) == 2
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(fail())
    assert held("chat", "embed", now=0) == []

    async def cancel() -> None:
        entered = asyncio.Event()

        async def work() -> None:
            async with locked("chat"):
                entered.set()
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await entered.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    asyncio.run(cancel())
    assert held("chat", now=0) == []


def test_a_plane_that_has_stopped_hides_no_error(control_plane: ControlPlane) -> None:
    """The block's own error passes on, and no line of any lock buries it."""
    lines: list[str] = []

    async def fail() -> None:
        async with locked("chat", "embed", tell=lines.append):
            control_plane.stop()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(fail())
    assert lines == []


def test_locks_that_can_not_be_released_are_told_at_once(control_plane: ControlPlane) -> None:
    """One line for all that have failed for one reason."""
    lines: list[str] = []

    async def hold() -> None:
        async with locked("chat", "embed", tell=lines.append):
            await modal.Dict.objects.delete.aio(lock.DICT)

    asyncio.run(hold())
    (line,) = lines
    assert line.startswith("app.chat, app.embed: Lock not released (locking, in Dict infra-locks: ")
    assert line.endswith("); it ends by itself within 150 s")


@pytest.mark.parametrize("on_this_machine", [True, False])
def test_a_killed_holder_of_this_machine_holds_nothing(start: Start, on_this_machine: bool) -> None:
    """Where all who hold locks are processes of this machine, nobody waits for one that is gone."""
    child = start("chat")
    assert child.ask("take") == "held"

    async def take_over() -> None:
        clock = Clock(now=time.time, sleep=_never)
        async with locked("chat", on_this_machine=on_this_machine, clock=clock) as leases:
            await leases.check()

    with pytest.raises(Locked):
        asyncio.run(take_over())
    child.process.kill()
    child.process.communicate()
    if on_this_machine:
        asyncio.run(take_over())
    else:
        with pytest.raises(Locked):
            asyncio.run(take_over())


def test_only_this_machines_processes_can_be_seen_to_end() -> None:
    """Of another machine's the number says nothing here; this process is running."""
    here = holder_of_this_process("apply", os.environ)
    assert not has_ended(here)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = attrs.evolve(here, pid=ended.pid)
    assert has_ended(gone)
    assert not has_ended(attrs.evolve(gone, host="elsewhere"))
    for nonsense in (0, 10**30):
        assert not has_ended(attrs.evolve(here, pid=nonsense))


def test_a_target_that_does_not_answer_is_named(control_plane: ControlPlane) -> None:
    """Without the control plane, each function fails as any other call to the target."""
    assert held("chat") == []
    control_plane.stop()
    for ask in (lambda: held("chat"), lambda: asyncio.run(hold_for_a_moment("chat"))):
        with pytest.raises(
            TargetError, match=r"the local control plane has stopped; .* `infra local up -d`$"
        ):
            ask()


def test_unlock_takes_the_lock_from_its_holder(control_plane: ControlPlane) -> None:
    """The holder is told by whom; the lock is free; the holder's end leaves the next one alone."""
    hand = Hand()

    async def work() -> None:
        async with locked("chat", clock=hand.clock) as leases:
            (ended,) = await asyncio.to_thread(unlocked, "chat", "embed")
            assert (ended.key, ended.holder) == ("chat/1", ALICE)
            with pytest.raises(LockLost) as loss:
                await leases.check()
            await take()
        assert str(loss.value) == (
            "app.chat: the lock is lost: bob on ci-7 (process 22, infra unlock, "
            "https://ci.example/run/9) took it at 2027-01-15 08:00:00 UTC; "
            "only its holder may change the App; plan again"
        )

    asyncio.run(work())
    assert [lease.holder for lease in held("chat")] == [BOT]
    assert [lease.holder for lease in unlocked("chat", now=NOON * 2)] == [BOT]
    assert unlocked("chat") == []


def test_a_lock_whose_dict_is_deleted_is_lost(control_plane: ControlPlane) -> None:
    """Without its entry nobody holds a lock."""

    async def work() -> None:
        async with locked("chat") as leases:
            await asyncio.to_thread(modal.Dict.from_name("infra-locks").clear)
            with pytest.raises(LockLost, match="its entry is gone from Dict infra-locks"):
                await leases.check()

    asyncio.run(work())


def test_the_refusal_says_who_and_what_to_do(control_plane: ControlPlane) -> None:
    """Holder, host, process, CI job, stack, since when, until when, and both ways out."""
    asyncio.run(take())
    with pytest.raises(Locked) as refusal:
        asyncio.run(hold_for_a_moment("chat", clock=Hand().clock))
    assert refusal.value.exit_code == 10
    assert str(refusal.value) == (
        "app.chat: locked by bob on ci-7 (process 22, infra apply, https://ci.example/run/9) "
        "for stack prod, since 2027-01-15 08:00:00 UTC; free at 2027-01-15 08:02:30 UTC "
        "unless renewed\n"
        "Nothing was changed. To wait for it, use --lock-timeout; if that process is gone, "
        "run `infra unlock STACK`."
    )


def test_locks_belong_to_an_environment(control_plane: ControlPlane) -> None:
    """The same App in two environments has two locks."""
    modal.Environment.objects.create("dev")

    async def both() -> None:
        async with locked("chat"), locked("chat", environment="dev") as leases:
            await leases.check()

    asyncio.run(both())
    with pytest.raises(TargetError, match="Environment 'test' not found"):
        asyncio.run(hold_for_a_moment("chat", environment="test"))


def test_looking_creates_nothing(control_plane: ControlPlane) -> None:
    """Where there is no Dict there are no locks; only taking one makes it."""
    assert (held("chat"), unlocked("chat")) == ([], [])
    assert control_plane.requests("DictGetOrCreate", "DictUpdate") == []
    asyncio.run(hold_for_a_moment("chat"))
    assert [each.name for each in modal.Dict.objects.list()] == ["infra-locks"]


def test_calls_do_not_grow_with_use(control_plane: ControlPlane) -> None:
    """The tenth time, a lock takes four calls in a row, and the Dict has a few entries."""
    for _ in range(9):
        asyncio.run(hold_for_a_moment("chat"))

    async def count() -> dict[str, int]:
        control_plane.calls.clear()
        async with locked("chat"):
            return dict(control_plane.calls)

    assert asyncio.run(count()) == {"DictGetOrCreate": 1, "DictContents": 2, "DictUpdate": 1}
    assert sorted(stored()) == [b"chat/19", b"chat/20"]


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(control_plane: ControlPlane, tmp_path: Path) -> None:
    """A pickle in place of a lease is refused, beside the leases is ignored, and never loaded."""
    proof = tmp_path / "unpickled"
    entries = modal.Dict.from_name("infra-locks", create_if_missing=True)
    entries.put("chat/1", Bomb(proof))
    asyncio.run(hold_for_a_moment("chat"))
    store(b"chat/7", pickle.dumps(Bomb(proof)))
    for ask in (lambda: held("chat"), lambda: asyncio.run(hold_for_a_moment("chat"))):
        with pytest.raises(InfraError) as refusal:
            ask()
        assert str(refusal.value) == (
            "Dict infra-locks: chat/7 is not a lease ('utf-8' codec can't decode byte 0x80 in "
            "position 0: invalid start byte); nothing but infra may write there; when no apply is "
            "running, run `infra unlock STACK`"
        )
    assert unlocked("chat") == []
    asyncio.run(hold_for_a_moment("chat"))
    assert not proof.exists()
    entries.get("chat/1")
    assert proof.exists(), "this is what the SDK does"


@pytest.mark.parametrize("released", [False, True])
def test_the_last_generation_can_be_unlocked(control_plane: ControlPlane, released: bool) -> None:
    """A generation that none can follow is refused, and `unlock` takes it away."""
    generation = LAST_GENERATION
    lease = Lease(**{**_GOOD, "holder": ALICE, "generation": generation, "released": released})
    store(lease.key.encode(), lease.to_json())
    with pytest.raises(TargetError, match=r"is not a lease \(no generation can follow it\)"):
        asyncio.run(hold_for_a_moment("chat"))
    assert unlocked("chat") == []
    assert stored() == {}
    asyncio.run(hold_for_a_moment("chat"))


_GOOD = json.loads(
    Lease(
        app="chat",
        generation=1,
        token="t",
        stack="dev",
        holder=ALICE,
        acquired_at=NOON,
        expires_at=NOON,
        released=False,
    ).to_json()
)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("[]", "a Holder is a JSON object"),
        ({**_GOOD, "holder": "alice"}, "a Holder is a JSON object"),
        ({**_GOOD, "holder": {"user": "alice"}}, "a Holder has the fields user, host, pid, "),
        ({**_GOOD, "more": 1}, "a Lease has the fields app, generation, token, "),
        ({**_GOOD, "generation": True}, "its generation is 'True'"),
        ({**_GOOD, "generation": 2}, "it belongs to chat/2"),
        ({**_GOOD, "app": "embed"}, "it belongs to embed/1"),
        ({**_GOOD, "released": 0}, "its released is '0'"),
        ({**_GOOD, "expires_at": NOON * 1e9}, "its expires_at is "),
        ({**_GOOD, "expires_at": float("nan")}, "its expires_at is 'nan'"),
        ({**_GOOD, "stack": "\x1b[2J"}, "its stack is '\\x1b"),
        ("[" * 10_000, "maximum recursion depth exceeded"),
        (" " * (SIZE_LIMIT + 1), "it has 16385 bytes, and 16384 are allowed"),
    ],
)
def test_what_is_no_lease_is_refused(value: Any, why: str) -> None:
    """Each field is there, of its type, and can be shown; anything else names the reason."""
    text = value if isinstance(value, str) else json.dumps(value)
    assert Lease.from_json(json.dumps(_GOOD).encode(), "chat/1").holder == ALICE
    with pytest.raises(TargetError) as refusal:
        Lease.from_json(text.encode(), "chat/1")
    assert f"chat/1 is not a lease ({why}" in str(refusal.value)


def test_another_version_of_modal_is_named(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the SDK's client has no such call, the error says which, and what to install."""
    stub = raw(lambda stub, _: asyncio.sleep(0, stub))
    monkeypatch.delattr(stub, "DictContents")
    with pytest.raises(TargetError) as refusal:
        held("chat")
    assert str(refusal.value) == (
        "locking: this version of modal has no call for it ('ModalClientModal' object has no "
        "attribute 'DictContents'); modal 1.6.4 to 1.x is allowed; install such a version"
    )


@pytest.mark.parametrize(
    ("environ", "user", "ci_url"),
    [
        ({"USER": "alice"}, "alice", ""),
        (
            {
                "USER": "runner",
                "GITHUB_ACTOR": "bob",
                "GITHUB_SERVER_URL": "https://git.example",
                "GITHUB_REPOSITORY": "acme/llm",
                "GITHUB_RUN_ID": "7",
            },
            "bob",
            "https://git.example/acme/llm/actions/runs/7",
        ),
        (
            {"GITLAB_USER_LOGIN": "eve", "CI_JOB_URL": "https://ci.example"},
            "eve",
            "https://ci.example",
        ),
        ({"USER": "ci", "BUILD_URL": "https://j.example/2"}, "ci", "https://j.example/2"),
        ({"USER": "al\x1b[31mice\udc80"}, "al[31mice", ""),
    ],
)
def test_a_holder_is_this_process(environ: dict[str, str], user: str, ci_url: str) -> None:
    """The person and the job are known from the environment, fit for a terminal."""
    holder = holder_of_this_process("destroy", environ)
    assert (holder.user, holder.pid, holder.command) == (user, os.getpid(), "destroy")
    assert holder.ci_url == ci_url
