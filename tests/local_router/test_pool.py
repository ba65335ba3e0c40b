"""Who gets a request, and what the autoscaler hears about it."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra.local.pool import AllBusy, Backend, NoneReady, Pool


def pool_of(*names: str, max_concurrency: int | None = None) -> Pool:
    pool = Pool(max_concurrency=max_concurrency)
    for name in names:
        pool.add(Backend(id=name, socket=Path(name)))
    return pool


def test_requests_go_where_least_is_in_flight() -> None:
    """Three requests that last get a backend each; the next goes to the one that is done."""
    pool = pool_of("a", "b", "c")
    with ExitStack() as lasting:
        first = lasting.enter_context(pool.request(None))
        with pool.request(None) as second:
            third = lasting.enter_context(pool.request(None))
            assert {first.id, second.id, third.id} == {"a", "b", "c"}
        with pool.request(None) as fourth:
            assert fourth == second


def test_idle_backends_take_turns() -> None:
    """One request after the other is spread over all of them."""
    pool = pool_of("a", "b", "c")
    taken = []
    for _ in range(6):
        with pool.request(None) as backend:
            taken.append(backend.id)
    assert taken == ["a", "b", "c", "a", "b", "c"]


def test_a_session_leaves_its_home_only_when_that_is_full() -> None:
    """With room for one request each, the second goes elsewhere; afterwards it is home again."""
    pool = pool_of("a", "b", "c", max_concurrency=1)
    with (
        pool.request("s") as home,
        pool.request("s") as other,
    ):
        assert other != home
    with pool.request("s") as again:
        assert again == home


def test_a_full_pool_refuses() -> None:
    """Only when all backends have as many requests as they may have."""
    pool = pool_of("a", "b", max_concurrency=1)
    with pool.request(None), pool.request(None):
        with pytest.raises(AllBusy), pool.request(None):
            pass
        pool.max_concurrency = None
        with pool.request(None):
            pass


def test_a_closed_backend_gets_nothing_new() -> None:
    """It finishes what it has, and whoever waits for that hears of it; then it may be back."""

    async def scenario() -> None:
        pool = pool_of("a")
        with pool.request(None):
            pool.close("a")
            emptied = asyncio.create_task(pool.emptied("a"))
            await asyncio.sleep(0)
            assert (pool.in_flight("a"), pool.ready(), emptied.done()) == (1, [], False)
            with pytest.raises(NoneReady), pool.request(None):
                pass
        await emptied
        pool.reopen("a")
        with pool.request(None) as backend:
            assert backend.id == "a"

    asyncio.run(scenario())


def test_a_removed_backend_may_still_be_in_use() -> None:
    """A request that it had ends as usual; the next finds it gone."""
    pool = pool_of("a")
    with pool.request(None):
        pool.remove("a")
    with pytest.raises(NoneReady), pool.request(None):
        pass


def test_demand_is_the_peak_since_it_was_asked() -> None:
    """Requests that came and went count, and so do those that are still there next time."""
    pool = pool_of("a")
    assert pool.demand() == 0
    with pool.request(None):
        with pool.request(None), pool.request(None):
            pass
        assert pool.demand() == 3
        assert pool.demand() == 1
    assert [pool.demand(), pool.demand()] == [1, 0]


def test_refused_requests_are_one_request_of_demand() -> None:
    """A client that tries again and again does not look like a crowd."""
    pool = pool_of()
    for _ in range(50):
        with pytest.raises(NoneReady), pool.request(None):
            pass
    assert [pool.demand(), pool.demand()] == [1, 0]
