"""A conversation shows where its turns went; real stand-ins behind a real router."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
from front_process import relayed
from probed import MODEL

from infra.local.door import Door
from infra.local.pool import Backend, Pool
from infra.local.router import Router
from infra.probing.chat import Caller, client
from infra.probing.conversation import converse
from infra.probing.readiness import Ready
from infra.probing.report import Chats, chats_text, document
from infra.probing.services import Service


async def conversation(ports: tuple[int, int], *, is_sticky: bool, swap: bool = False) -> Chats:
    """
    Talk to two replicas.

    Args:
        ports: Of their engines.
        is_sticky: Whether the turns are of one session.
        swap: Only the first takes requests, until it has said its first word; then the other.
    """
    pool = Pool()
    router = Router(pool=pool, door=Door())

    def show(_piece: str, _is_reasoning: bool) -> None:
        if swap:
            pool.close("first")
            pool.reopen("other")

    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        async with AsyncExitStack() as stack:
            for name, port in zip(("first", "other"), ports, strict=True):
                backend = Backend(id=name, socket=Path(folder) / name)
                await stack.enter_async_context(relayed(backend.socket, port))
                pool.add(backend)
            if swap:
                pool.close("other")
            await router.start()
            stack.push_async_callback(router.stop)
            service = Service(url=router.url, is_sticky=is_sticky)
            async with client(router.url, {}) as there:
                caller = Caller(client=there, model=MODEL, max_tokens=99, is_sticky=is_sticky)
                turns = await converse(caller, "Tell me of the sea.", show)
    return Chats(service=service, ready=Ready(seconds=1, model=MODEL), turns=turns)


def test_turns_of_one_session_meet_one_replica(ports: tuple[int, int]) -> None:
    """The router sends a session home, wherever that is; the answer says where."""
    for _ in range(4):
        chats = asyncio.run(conversation(ports, is_sticky=True))
        assert len({turn.replica for turn in chats.turns}) == 1
        assert document(chats, None, None)["same_replica"] is True
        assert "3 turns, all met that replica; cached tokens: " in chats_text(chats)


def test_a_session_that_moves(ports: tuple[int, int]) -> None:
    """When its replica goes, the turns that met another one are told."""
    chats = asyncio.run(conversation(ports, is_sticky=True, swap=True))
    assert [turn.replica for turn in chats.turns] == ["first", "other", "other"]
    assert document(chats, None, None)["same_replica"] is False
    assert "session              3 turns: first, other, other; cached" in chats_text(chats)


def test_without_sessions_there_is_one_turn(ports: tuple[int, int]) -> None:
    """A stack that uses no affinity is not tried for it."""
    chats = asyncio.run(conversation(ports, is_sticky=False))
    assert len(chats.turns) == 1
    assert document(chats, None, None)["same_replica"] is None
    assert "session              the stack uses no session affinity" in chats_text(chats)


def test_what_modal_does_not_tell(ports: tuple[int, int]) -> None:
    """Without the header and the counts the text says so, and claims no affinity."""
    told = asyncio.run(conversation(ports, is_sticky=True))
    turns = [
        attrs.evolve(each, replica=None, cached_tokens=None, fingerprint=None)
        for each in told.turns
    ]
    chats = attrs.evolve(told, turns=turns)
    assert document(chats, None, None)["same_replica"] is None
    text = chats_text(chats)
    assert "replica              not told; only a rehearsal's router names it" in text
    assert "3 turns; cached tokens not told (SGLang tells with --enable-cache-report, " in text
    assert "stand-in" not in text
