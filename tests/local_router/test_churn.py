"""Ten thousand requests while engines come, go and die."""

import asyncio
import gc
import signal
from collections import Counter
from pathlib import Path

import aiohttp
import attrs
from engines import EngineProcess, routed, scenario

from infra.local.pool import Pool

REQUESTS = 10_000
CALLERS = 64
WARM = 2_000
MEMORY_BYTES = 16 * 2**20
PAGE_BYTES = 4096


@attrs.define
class Tally:
    """What became of the requests."""

    begun: int = 0
    complete: int = 0
    errors: Counter[str] = attrs.field(factory=Counter)
    silent_cuts: list[bytes] = attrs.field(factory=list)
    memory: int = 0
    warm: asyncio.Event = attrs.field(factory=asyncio.Event)


async def call(client: aiohttp.ClientSession, number: int, tally: Tally) -> None:
    """One request, short or streamed; every third in a session."""
    content = f"request {number}".encode()
    headers = {"Modal-Session-ID": str(number % 50)} if number % 3 == 0 else {}
    path = "/short" if number % 2 else "/stream"
    try:
        async with client.post(path, data=content, headers=headers) as response:
            body = await response.read()
    except aiohttp.ClientPayloadError:
        tally.errors["cut"] += 1
        return
    if response.status != 200:
        tally.errors[str(response.status)] += 1
    elif content in body and b"complete" in body:
        tally.complete += 1
    else:
        tally.silent_cuts.append(body)


async def call_many(client: aiohttp.ClientSession, tally: Tally) -> None:
    """One caller's share."""
    while tally.begun < REQUESTS:
        tally.begun += 1
        await call(client, tally.begun, tally)
        if tally.begun >= WARM and not tally.memory:
            tally.memory = resident()
            tally.warm.set()


def resident() -> int:
    """Bytes of this process, with the router in it, in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def churn(folder: Path, engines: list[EngineProcess], pool: Pool, tally: Tally) -> int:
    """Until the end: kill one, drain one, bring a new one for each. How many requests it cost."""
    lost = 0
    for number in range(100):
        if tally.begun >= REQUESTS:
            break
        new = EngineProcess(folder, f"new-{number}")
        engines.append(new)
        await new.start()
        pool.add(new.backend)
        old = engines.pop(0)
        name = old.backend.id
        if number % 2:
            # While this waits for its end, nothing else happens here: the count is exact.
            old.end(signal.SIGKILL)
            lost += pool.in_flight(name)
            # Nobody tells the pool for a while: other requests find out by themselves.
            await asyncio.sleep(0.05)
        else:
            pool.close(name)
            await pool.emptied(name)
            old.end()
        pool.remove(name)
    assert number > 4
    return lost


@scenario
async def test_only_requests_on_a_killed_engine_are_lost(folder: Path) -> None:
    """Each of them is an error for its caller; all others are complete, and memory is flat."""
    engines = [EngineProcess(folder, f"old-{number}") for number in range(4)]
    try:
        await asyncio.gather(*(each.start() for each in engines))
        async with routed(*(each.backend for each in engines)) as (client, pool):
            tally = Tally()
            churning = asyncio.create_task(churn(folder, engines, pool, tally))
            await asyncio.gather(*(call_many(client, tally) for _ in range(CALLERS)))
            lost = await churning
            growth = resident() - tally.memory
    finally:
        for each in engines:
            each.end()
    failed = sum(tally.errors.values())
    assert tally.silent_cuts == []
    assert tally.complete + failed == REQUESTS
    assert set(tally.errors) <= {"cut", "502"}
    assert 0 < failed <= lost
    assert growth < MEMORY_BYTES
