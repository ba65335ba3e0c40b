"""What a service sends is measured if it is a whole answer, and told in words if it is not."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from infra.probing import chat as chats
from infra.probing.answer import Answer, Reading
from infra.probing.chat import Caller, client
from infra.probing.failures import Failed
from infra.probing.readiness import Ready, wait_ready

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DONE = b"data: [DONE]\n\n"
SECRET = "ws-secret"


def event(**fields: object) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def delta(**fields: object) -> bytes:
    """An event with a piece of the answer."""
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": None}])


def finish(reason: str = "stop") -> bytes:
    """The event that ends the answer."""
    return event(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])


def usage(prompt: object = 7, completion: object = 3, cached: object = 5) -> bytes:
    """The event with the counts."""
    counts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return event(choices=[], usage=counts)


WHOLE = (delta(role="assistant", content=""), delta(content="Why "), delta(content="not?"))


def stream(*chunks: bytes, then: str = "end") -> Handler:
    """Answer with a stream that then ends, is cut off, or falls silent."""

    async def handle(request: web.Request) -> web.StreamResponse:
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

    return handle


async def drip(request: web.Request) -> web.StreamResponse:
    """Answer without an end, and so slowly that it is never silent."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


async def pour(request: web.Request) -> web.StreamResponse:
    """Answer without an end, as fast as it can be read."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 2**16)


def says(status: int, text: str = "", **headers: str) -> Handler:
    """Answer in one piece."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return handle


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def met(handle: Handler, run: Callable[[Caller], Awaitable[object]]) -> None:
    """Do something with a service that answers everything so."""

    async def both() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        async with TestServer(app) as server:
            await server.start_server(handler_cancellation=True)
            url = str(server.make_url("/")).rstrip("/")
            async with client(url, {"Modal-Key": "wk-1", "Modal-Secret": SECRET}) as there:
                await run(Caller(client=there, model="m", max_tokens=9, is_sticky=True))

    asyncio.run(both())


def ask(handle: Handler, show: Callable[[str, bool], None] | None = None) -> Answer:
    """Chat once."""
    answers: list[Answer] = []

    async def run(caller: Caller) -> None:
        answers.append(await caller.ask([{"role": "user", "content": "Hi"}], "s-1", show))

    met(handle, run)
    return answers[0]


def refused(handle: Handler) -> Failed:
    """Chat once, in vain."""
    with pytest.raises(Failed) as caught:
        ask(handle)
    assert SECRET not in f"{caught.value.so} {caught.value.advice}"
    assert caught.value.advice.count("; ") == 1
    assert "\n" not in caught.value.so
    return caught.value


def test_a_whole_answer() -> None:
    """Text, counts and times come from the events; the opening without text is no token."""
    shown: list[tuple[str, bool]] = []
    chunks = (*WHOLE, finish(), usage(), DONE)
    answer = ask(stream(*chunks), lambda piece, thought: shown.append((piece, thought)))
    assert (answer.text, len(answer.gaps)) == ("Why not?", 1)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens) == (7, 3, 5)
    assert 0 < answer.first <= answer.last <= answer.total
    assert answer.last - answer.first == pytest.approx(sum(answer.gaps))
    assert answer.per_token == pytest.approx((answer.last - answer.first) / 2)
    assert shown == [("Why ", False), ("not?", False)]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_shown_as_such(field: str) -> None:
    """The first token may be one of reasoning; it is no part of the conversation."""
    shown: list[tuple[str, bool]] = []
    chunks = (delta(**{field: "Hm."}), delta(content="Yes."), finish(), DONE)
    answer = ask(stream(*chunks), lambda piece, thought: shown.append((piece, thought)))
    assert (answer.text, len(answer.gaps)) == ("Yes.", 1)
    assert shown == [("Hm.", True), ("Yes.", False)]


def test_each_piece_is_shown_before_the_next_exists() -> None:
    """Text is given on at once: the service says the second word when the first was shown."""
    shown = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(delta(content="first"))
        await asyncio.wait_for(shown.wait(), 30)
        await response.write(delta(content="second") + finish() + DONE)
        return response

    assert ask(handle, lambda *_: shown.set()).text == "firstsecond"


def test_what_is_asked() -> None:
    """The request names model, session, limit and token, and asks for a stream with counts."""
    bodies: list[object] = []
    headers: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        headers.append(dict(request.headers))
        return await stream(*WHOLE, finish(), DONE)(request)

    ask(handle)
    assert bodies == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "Hi"}],
            "max_tokens": 9,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    assert headers[0]["Modal-Session-ID"] == "s-1"
    assert headers[0]["Modal-Secret"] == SECRET


def test_counts_that_are_none_are_not_told() -> None:
    """An engine that counts nothing, or nonsense, leaves the counts open."""
    for chunks in ((), (usage(None, "3", True),), (usage(-1, 10**400, 1.0),)):
        answer = ask(stream(*WHOLE, finish(), *chunks, DONE))
        assert (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens) == (None,) * 3
        assert answer.per_token is None


@pytest.mark.parametrize(
    ("handle", "kind", "so"),
    [
        (stream(*WHOLE), "cut off", "the answer was cut off: it has neither finish_reason nor"),
        (stream(*WHOLE, then="cut"), "cut off", "the answer was cut off: the connection was"),
        (
            stream(*WHOLE, finish("abort"), DONE),
            "cut off",
            "the answer was cut off: the engine has dropped the request",
        ),
        (
            stream(*WHOLE, event(error={"message": "out of\nmemory"}), DONE),
            "engine error",
            "the engine failed within its answer: out of memory",
        ),
        (stream(finish(), DONE), "empty", "the answer has no text"),
        (stream(b"data: hello\n\n"), "another API", "its answer is not of OpenAI's API: an event"),
        (stream(b"data: [1]\n\n"), "another API", "its answer is not of OpenAI's API: an event"),
        (says(200, "<html>"), "cut off", "the answer was cut off: it has neither"),
        (hang_up, "connection lost", "the connection was closed before an answer"),
        (
            says(401, "modal-http: missing credentials for proxy authorization"),
            "401 Unauthorized",
            "it answers 401: modal-http: missing credentials for proxy authorization",
        ),
        (
            says(404, '{"error": {"message": "The model \'m\' does not exist"}}'),
            "404 Not Found",
            "it answers 404: The model 'm' does not exist",
        ),
        (
            says(503, "modal-http: no container is ready"),
            "503 Service Unavailable",
            "it answers 503: modal-http: no container is ready",
        ),
        (says(429), "429 Too Many Requests", "it answers 429 Too Many Requests"),
        (says(599, "a\x1b[31m\nb"), "599", "it answers 599: a[31m b"),
    ],
)
def test_an_answer_that_is_none(handle: Handler, kind: str, so: str) -> None:
    """It is told what is so, what is allowed and what to do; the token is not."""
    failed = refused(handle)
    assert failed.kind == kind
    assert failed.so.startswith(so)


def test_only_the_proxy_asks_for_the_proxys_token() -> None:
    """An engine with a key of its own does not send its callers looking for Modal's token."""
    proxy = refused(says(401, "modal-http: missing credentials for proxy authorization"))
    engine = refused(says(401, '{"error": "Unauthorized"}'))
    assert "MODAL_PROXY_TOKEN_ID" in proxy.advice
    assert "MODAL_PROXY_TOKEN_ID" not in engine.advice


def test_a_redirection_is_not_followed() -> None:
    """The token goes to the service alone, wherever that points."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    assert refused(handle).kind == "307 Temporary Redirect"
    assert asked == ["/v1/chat/completions"]


def test_silence_amid_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that falls silent is given up."""
    monkeypatch.setattr(chats, "SILENCE_SECONDS", 0.2)
    assert refused(stream(*WHOLE, then="silence")).so == "it says nothing for 0.2 s"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "usage", "finish_reason", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON.map(json.dumps) | st.text(), max_size=4))
def test_no_event_is_a_mistake_of_ours(events: list[str]) -> None:
    """Whatever the events are, they make an answer or are refused."""
    reading = Reading(None, 256)
    try:
        for each in events:
            reading.take(each)
        answer = reading.answer(None, None, None)
    except Failed:
        return
    assert len(answer.gaps) < len(events)
    assert all(before <= after for before, after in pairwise([0, answer.first, answer.last]))


def test_a_replicas_name_does_nothing_to_a_terminal() -> None:
    """Whatever the server says that answered; control characters are left out."""

    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {"Infra-Replica": "a\x9b2Jb"}
        return web.Response(headers=headers, body=b"".join((*WHOLE, finish(), DONE)))

    assert ask(handle).replica == "a2Jb"


@pytest.mark.parametrize(
    ("word", "speed"),
    [("off", "off"), ("100.0", "100"), ("0.5", "0.5"), ("", None), ("-5", None), ("x", None)],
)
def test_the_speed_is_one_or_it_is_not_told(word: str, speed: str | None) -> None:
    """Whatever the server says; it is shown in our spelling."""

    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {"Infra-Simulated-Speed": word}
        return web.Response(headers=headers, body=b"".join((*WHOLE, finish(), DONE)))

    assert ask(handle).speed == speed


def ready(handle: Handler, model: str | None, timeout: float = 30) -> tuple[Ready, list[str]]:
    """Wait for a service; the reasons for waiting, too."""
    found: list[Ready] = []
    told: list[str] = []

    async def run(caller: Caller) -> None:
        found.append(
            await wait_ready(
                caller.client, model, timeout=timeout, tell=told.append, check=lambda: None
            )
        )

    met(handle, run)
    return found[0], told


def steps(*handles: Handler) -> Handler:
    """One for each request; the last one stays."""
    left = list(handles)

    async def handle(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return handle


MODELS = says(200, '{"object": "list", "data": [{"id": "a"}, {"id": "b"}]}')


def test_what_passes_is_waited_for_and_told_once() -> None:
    """Each new reason is told, not each try."""
    starting = says(503, "no container is ready")
    loading = says(503, '{"message": "The engine is loading."}')
    # aiohttp itself asks a second time where a connection is closed without an answer.
    found, told = ready(steps(starting, starting, hang_up, hang_up, loading, MODELS), "b")
    assert found.model == "b"
    assert told == [
        "it answers 503: no container is ready",
        "the connection was closed before an answer",
        "it answers 503: The engine is loading.",
    ]


def test_without_a_recorded_model_the_first_one_is_asked() -> None:
    """A service that nobody has recorded says itself what it serves."""
    assert ready(MODELS, None)[0].model == "a"


@pytest.mark.parametrize(
    ("handle", "model", "so"),
    [
        (says(503, "none"), "a", "not ready after 0.1 s: it answers 503: none"),
        (says(401, "modal-http: no"), "a", "it answers 401: modal-http: no"),
        (MODELS, "c", "it does not serve 'c', with which it was deployed"),
        (says(200, "hello"), "a", "its answer is not of OpenAI's API: it lists no models"),
        (says(200, '{"data": []}'), None, "its answer is not of OpenAI's API: it lists no models"),
        (says(200, '{"data": [{"id": 1}]}'), None, "its answer is not of OpenAI's API: it lists"),
        (says(302, Location="/login"), "a", "it answers 302 Found"),
        (drip, "a", "not ready after 0.1 s: it says nothing for 1 s"),
        (pour, "a", "its answer is not of OpenAI's API: it is longer than "),
    ],
)
def test_what_is_not_waited_for(handle: Handler, model: str | None, so: str) -> None:
    """Time that is over, and what time does not cure, is an error that says what to do."""
    with pytest.raises(Failed) as caught:
        ready(handle, model, timeout=0.1)
    assert caught.value.so.startswith(so)
    assert caught.value.advice.count("; ") == 1
