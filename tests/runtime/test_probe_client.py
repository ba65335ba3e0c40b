"""The probe waits for a replica, and then takes nothing but a complete answer."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

import aiohttp
import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from hypothesis import given
from hypothesis import strategies as st

from infra.runtime import client

Step = Callable[[web.Request], Awaitable[web.StreamResponse]]

MESSAGES: list[dict[str, object]] = [{"role": "user", "content": "Tell me a joke."}]


def delta(**fields: object) -> bytes:
    """Spell one event of a chat stream."""
    return b"data: " + json.dumps({"choices": [{"delta": fields}]}).encode() + b"\n\n"


def finish(reason: str) -> bytes:
    """Spell the event that ends an answer."""
    choice = {"delta": {}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
WHOLE = (delta(content="Why "), delta(content="not?"), finish("stop"), DONE)


def refuse(status: int, text: str = "") -> Step:
    """Answer with an error."""

    async def step(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text)

    return step


def stream(*chunks: bytes, then: str = "end") -> Step:
    """Answer with a stream that then ends, is cut off, or stays silent for good."""

    async def step(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if then == "cut":
            assert request.transport is not None
            request.transport.close()
        if then == "silence":
            await asyncio.Event().wait()
        return response

    return step


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def stay_silent(request: web.Request) -> web.StreamResponse:
    """Take the request and never answer."""
    await asyncio.Event().wait()
    raise AssertionError


@attrs.frozen
class Service:
    """A service that takes a step for each request; the last step stays."""

    steps: tuple[Step, ...]
    requests: list[web.Request] = attrs.Factory(list)
    bodies: list[object] = attrs.Factory(list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take the next step."""
        self.requests.append(request)
        self.bodies.append(await request.json())
        return await self.steps[min(len(self.requests), len(self.steps)) - 1](request)

    @contextlib.asynccontextmanager
    async def serve(self, port: int | None = None) -> AsyncIterator[str]:
        """Listen on loopback; give the address."""
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.handle)
        # A silent step ends with its client.
        async with TestServer(app, port=port) as server:
            await server.start_server(handler_cancellation=True)
            yield str(server.make_url("/")).rstrip("/")


def probe(*steps: Step, timeout: float = 60, max_silence: float = 60) -> Service:
    """Probe a service that takes these steps; give the service back."""
    service = Service(steps)

    async def run() -> None:
        async with service.serve() as url:
            await client.probe(url, MESSAGES, timeout, max_silence=max_silence)

    asyncio.run(run())
    return service


def test_an_answer_is_printed_as_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    """The probe sends the chat as a stream and prints the whole answer once."""
    service = probe(stream(*WHOLE))
    assert capsys.readouterr().out == "Why not?\n"
    assert service.bodies == [{"messages": MESSAGES, "stream": True}]
    assert service.requests[0].headers["Accept"] == "text/event-stream"


def test_each_request_carries_the_session_and_the_headers() -> None:
    """Retries, too, carry the session id and the caller's own headers."""
    service = Service((refuse(503), stream(*WHOLE)))

    async def run() -> None:
        async with service.serve() as url:
            headers = {"Modal-Key": "wk-1", "Modal-Session-ID": "chat-7"}
            await client.probe(url, MESSAGES, 60, headers)

    asyncio.run(run())
    sent = [(r.headers["Modal-Session-ID"], r.headers["Modal-Key"]) for r in service.requests]
    assert sent == [("chat-7", "wk-1")] * 2


@pytest.mark.parametrize(
    "obstacle", [refuse(503, "no replica"), hang_up, stay_silent], ids=["503", "drop", "silence"]
)
def test_a_replica_that_is_not_up_is_waited_for(
    obstacle: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    """503, a dropped connection and silence are tried again, and said once each."""
    service = probe(obstacle, obstacle, stream(*WHOLE), max_silence=0.3)
    assert len(service.requests) == 3
    notice, answer = capsys.readouterr().out.splitlines()
    assert notice.startswith("no answer yet: ")
    assert answer == "Why not?"


def test_a_refused_connection_is_waited_for() -> None:
    """A service that does not listen yet is tried again until it does."""
    service = Service((stream(*WHOLE),))
    port = unused_port()

    async def run() -> None:
        probing = asyncio.create_task(client.probe(f"http://127.0.0.1:{port}", MESSAGES, 60))
        await asyncio.sleep(0.1)
        async with service.serve(port):
            await probing

    asyncio.run(run())
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_other_errors_are_raised_at_once(status: int) -> None:
    """An error that waiting cannot cure is raised with its status and the body's start."""
    service = Service((refuse(status, "b" * 9000),))

    async def run() -> None:
        async with service.serve() as url:
            await client.probe(url, MESSAGES, 60, {"Modal-Secret": "ws-secret"})

    with pytest.raises(aiohttp.ClientResponseError) as caught:
        asyncio.run(run())
    assert str(caught.value).startswith(f"{status}, message='{'b' * 500}', url=")
    assert len(service.requests) == 1


def test_the_deadline_ends_the_waiting() -> None:
    """At the deadline the error tells the address and the obstacle, but no header."""
    service = Service((refuse(503, "no replica"),))

    async def run() -> None:
        async with service.serve() as url:
            await client.probe(url, MESSAGES, 1, {"Modal-Secret": "ws-secret"})

    with pytest.raises(TimeoutError, match=r"http://.* within 1 s: 503.*no replica") as caught:
        asyncio.run(run())
    assert "ws-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "step", [stay_silent, stream(WHOLE[0], then="silence")], ids=["before", "within"]
)
def test_the_deadline_ends_an_answer_that_hangs(step: Step) -> None:
    """A request that hangs before or within its answer is given up at the deadline."""
    with pytest.raises(TimeoutError, match="not complete in time"):
        probe(step, timeout=0.4)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (stream(WHOLE[0], then="cut"), "the answer was cut off: ClientPayloadError"),
        (stream(WHOLE[0]), "the answer was cut off: no finish_reason"),
        (stream(), "the answer was cut off: no finish_reason"),
        (stream(WHOLE[0], then="silence"), "the answer was cut off: SocketTimeoutError"),
        (stream(WHOLE[0], finish("abort"), DONE), "the engine aborted the request"),
        (
            stream(WHOLE[0], b'data: {"error": {"message": "CUDA error"}}\n\n', DONE),
            "the engine failed within its answer: .*CUDA error",
        ),
    ],
    ids=["cut", "short", "empty", "silence", "abort", "error event"],
)
def test_an_incomplete_answer_is_an_error(
    step: Step, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer that stops short is raised as such, after what came of it, and not retried."""
    service = Service((step,))

    async def run() -> None:
        async with service.serve() as url:
            await client.probe(url, MESSAGES, 60, max_silence=0.5)

    with pytest.raises(RuntimeError, match=message):
        asyncio.run(run())
    assert len(service.requests) == 1
    assert capsys.readouterr().out in {"Why \n", "\n"}


def answer_to(*chunks: bytes, then: str = "end") -> str:
    """Stream the chunks from a server; give the text that stream_chat returns."""

    async def run() -> str:
        async with (
            Service((stream(*chunks, then=then),)).serve() as url,
            aiohttp.ClientSession(url) as session,
        ):
            return await client.stream_chat(session, MESSAGES)

    return asyncio.run(run())


@pytest.mark.parametrize(
    "end",
    [DONE, finish("length"), finish("stop").rstrip(b"\n")],
    ids=["[DONE]", "finish_reason", "no newline"],
)
def test_either_end_completes_an_answer(end: bytes) -> None:
    """[DONE] or a finish_reason alone is enough to call an answer complete."""
    assert answer_to(delta(content="Why?"), end) == "Why?"


def test_nothing_is_awaited_after_done() -> None:
    """The answer is complete with [DONE], even if the server leaves the stream open."""
    assert answer_to(*WHOLE, then="silence") == "Why not?"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_part_of_the_answer(field: str) -> None:
    """Reasoning, by either engine's name, and content are shown in the order in which they come."""
    chunks = (delta(**{field: "Hm. "}), delta(**{field: None}, content="Yes."))
    assert answer_to(*chunks, DONE) == "Hm. Yes."


def test_lines_may_be_long() -> None:
    """An event may be far longer than aiohttp's limit on the length of a line."""
    assert answer_to(delta(content="x" * 1_000_000), DONE) == "x" * 1_000_000


@pytest.mark.parametrize(
    "noise",
    [
        b": keep-alive\n\n",
        b"data:\n\n",
        b"data: ping\n\n",
        b"data: null\n\n",
        b"data: {}\n\n",
        b'data: {"choices": [], "usage": {"total_tokens": 9}}\n\n',
        b'data: {"choices": [{"delta": null}]}\n\n',
        b"event: message\nid: 1\nretry: 5\n",
        b"database: no field of ours\n",
    ],
)
def test_what_is_no_text_is_passed_over(noise: bytes) -> None:
    """Keep-alives and events without text change nothing."""
    assert answer_to(noise, WHOLE[0], noise, *WHOLE[1:]) == "Why not?"


async def parse(chunks: list[bytes]) -> str:
    """Give the answer in a stream that arrives in these chunks."""

    async def arrive() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return await client.print_answer(arrive())


def cut(body: bytes, places: set[int]) -> list[bytes]:
    """Cut the body at these places."""
    bounds = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[start:end] for start, end in pairwise(bounds)]


def spell(texts: list[str], newline: bytes, field: bytes, comment: bytes) -> bytes:
    """Spell an answer in one of the ways that servers do."""
    events = [
        json.dumps({"choices": [{"delta": {"content": text}}]}, ensure_ascii=False).encode()
        for text in texts
    ]
    return b"".join(comment + field + event + newline * 2 for event in [*events, b"[DONE]"])


def test_an_answer_may_be_cut_at_any_byte() -> None:
    """Wherever the network cuts a stream in two, the answer is the same."""
    body = spell(["naïve ", "日本 🙂"], b"\r\n", b"data: ", b": ping\r\n\r\n")

    async def run() -> set[str]:
        return {await parse(cut(body, {place})) for place in range(len(body))}

    assert asyncio.run(run()) == {"naïve 日本 🙂"}


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8")), max_size=5),
    newline=st.sampled_from([b"\n", b"\r\n"]),
    field=st.sampled_from([b"data: ", b"data:"]),
    comment=st.sampled_from([b"", b": ping\n\n", b":\r\n"]),
    places=st.sets(st.integers(0, 2000), max_size=40),
)
def test_the_answer_does_not_depend_on_its_spelling(
    texts: list[str], newline: bytes, field: bytes, comment: bytes, places: set[int]
) -> None:
    """Line ends, spaces, comments and the cuts of the network do not show in the answer."""
    chunks = cut(spell(texts, newline, field, comment), places)
    assert asyncio.run(parse(chunks)) == "".join(texts)


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5),
    place=st.integers(0),
)
def test_no_beginning_of_an_answer_is_an_answer(texts: list[str], place: int) -> None:
    """A stream that ends before [DONE] is an error, wherever it ends."""
    whole = spell(texts, b"\n", b"data: ", b"")
    body = whole[: place % whole.index(b"[DONE]\n")]
    with pytest.raises(RuntimeError, match="cut off"):
        asyncio.run(parse([body]))


@pytest.mark.parametrize(
    ("variables", "headers"),
    [
        ({"ID": "wk-1", "SECRET": "ws-1"}, {"Modal-Key": "wk-1", "Modal-Secret": "ws-1"}),
        ({"ID": "wk-1"}, {}),
        ({"SECRET": "ws-1"}, {}),
        ({}, {}),
    ],
)
def test_a_token_is_sent_whole_or_not_at_all(
    variables: dict[str, str], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy token comes from the environment, and half a token is none."""
    for name in ("ID", "SECRET"):
        monkeypatch.delenv(f"MODAL_PROXY_TOKEN_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"MODAL_PROXY_TOKEN_{name}", value)
    assert client.proxy_headers() == headers
