"""The HTTP endpoints of the stand-in, as SGLang has them."""

import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from infra.local.engine import information
from infra.local.engine.answers import DONE, DOUBTS, SPEED, Answer, Chat, Completion, error, event
from infra.local.engine.bodies import Ask, BadRequest, read_chat, read_completion
from infra.local.engine.engine import Engine, State
from infra.local.engine.scheduler import Request
from infra.local.engine.settings import Settings
from infra.local.engine.time_model import HEALTH_CHECK

LARGEST_BODY = 64 * 2**20
STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}
# For these SGLang asks for no key, so that what watches it needs none.
OPEN = ("/health", "/metrics")
UNAUTHORIZED = {"error": "Unauthorized"}
FALSE = ("false", "0", "no", "n")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Reader = Callable[[object, Settings], Ask]


class Server:
    """
    Answers for one engine.

    Attributes:
        app: The application to run.
        active: Requests under way.
    """

    def __init__(self, engine: Engine) -> None:
        flags = engine.settings.flags
        self.app = web.Application(middlewares=[self._guard], client_max_size=LARGEST_BODY)
        self.app.on_response_prepare.append(self._tell_simulated)
        self.active = 0
        self._engine = engine
        self._keys = flags.words("--api-key")
        self._interval = flags.number("--stream-interval") or 1
        self.app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/docs", self._docs),
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/completions", self._completion),
                *self._own_routes(),
            ]
        )

    def _own_routes(self) -> Iterable[web.RouteDef]:
        """Those that only this engine has."""
        yield web.get("/health_generate", self._health)
        yield web.get("/v1/models/{model:.+}", self._model)
        yield web.get("/server_info", self._server_info)
        yield web.get("/get_server_info", self._server_info)
        yield web.get("/model_info", self._model_info)
        yield web.get("/get_model_info", self._model_info)
        if self._engine.settings.flags.has("--enable-metrics"):
            yield web.get("/metrics", self._metrics)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count and log every request; errors are JSON."""
        self.active += 1
        try:
            response = self._refusal(request) or await handler(request)
        except BadRequest as refused:
            response = _json(
                self._error(str(refused), refused.status, refused.kind), refused.status
            )
        except web.HTTPException as refused:
            response = _json({"detail": refused.reason}, refused.status)
        finally:
            self.active -= 1
        # While it loads, SGLang does not listen yet; its log ends with what it is loading.
        if self._engine.state is not State.LOADING:
            line = f"{request.method} {request.path_qs} HTTP/1.1"
            status = f"{response.status} {response.reason}"
            self._engine.log.access(_peer(request), line, status)
        return response

    async def _tell_simulated(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers[SPEED] = self._engine.clock.speed
        if doubts := self._engine.settings.doubts:
            response.headers[DOUBTS] = "; ".join(doubts)

    def _refusal(self, request: web.Request) -> web.Response | None:
        """The answer to a request that comes too early, too late or without the key."""
        if request.path.startswith(OPEN):
            return None
        if self._engine.state is not State.READY:
            state = self._engine.state.name.lower()
            problem = self._error(f"The engine is {state}.", 503, "ServiceUnavailable")
            return _json(problem, 503)
        if not self._is_guarded(request.path):
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = [secrets.compare_digest(given.encode(), key.encode()) for key in self._keys]
        return None if any(right) and scheme.lower() == "bearer" else _json(UNAUTHORIZED, 401)

    def _is_guarded(self, _path: str) -> bool:
        """Whether a caller needs a key."""
        return bool(self._keys)

    def _error(self, message: str, status: int, kind: str) -> Answer:
        return error(message, status, kind)

    async def _health(self, request: web.Request) -> web.Response:
        engine = self._engine
        if engine.state is State.READY and not self._is_quick(request.path):
            await engine.clock.sleep(HEALTH_CHECK)
        return web.Response(status=200 if engine.state is State.READY else 503)

    def _is_quick(self, path: str) -> bool:
        """Whether this check of health generates no token."""
        generation = self._engine.environ.get("SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION", "true")
        return path == "/health" and generation.lower() in FALSE

    async def _docs(self, _request: web.Request) -> web.Response:
        routes = {
            f"{route.method} {route.resource.canonical}"
            for route in self.app.router.routes()
            if route.resource is not None and route.method != "HEAD"
        }
        text = information.page(self._engine.settings, sorted(routes))
        return web.Response(text=text, content_type="text/html")

    async def _models(self, _request: web.Request) -> web.Response:
        return _json({"object": "list", "data": [information.card(self._engine)]})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if name == self._engine.settings.served_model:
            return _json(information.card(self._engine))
        return _json(information.no_such_model(name), 404)

    async def _server_info(self, _request: web.Request) -> web.Response:
        return _json(information.server_info(self._engine))

    async def _model_info(self, _request: web.Request) -> web.Response:
        return _json(information.model_info(self._engine.settings))

    async def _metrics(self, _request: web.Request) -> web.Response:
        text = self._engine.metrics.text(self._engine.settings.served_model)
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, read_chat, Chat)

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, read_completion, Completion)

    async def _answer(
        self, request: web.Request, read: Reader, form: type[Chat] | type[Completion]
    ) -> web.StreamResponse:
        ask = self._checked(read(await _body(request), self._engine.settings))
        answer = form(ask)
        with self._engine.scheduler.serve(ask.prompt, ask.answer) as work:
            if ask.stream:
                return await self._stream(request, answer, work)
            async for _ in work.follow():
                pass
            return _json(answer.whole(self._told(work.cached)))

    def _checked(self, ask: Ask) -> Ask:
        """What this engine makes of the model's name: nothing."""
        return ask

    def _told(self, cached: int) -> int:
        """How many of the cached tokens it tells of: all."""
        return cached

    async def _stream(
        self, request: web.Request, answer: Chat | Completion, work: Request
    ) -> web.StreamResponse:
        """Send what each step of the engine brings, at once."""
        response = web.StreamResponse(headers=STREAM)
        sent = 0
        with contextlib.suppress(ConnectionResetError):  # the client went away
            async for count in work.follow():
                last = count == len(work.answer)
                if sent and not last and count - sent < self._interval:
                    continue
                chunks = [*answer.step(sent, count)]
                if not sent:
                    await response.prepare(request)
                    chunks = [*answer.opening(), *chunks]
                if last:
                    chunks += answer.closing(self._told(work.cached))
                await response.write(b"".join(map(event, chunks)) + (DONE if last else b""))
                sent = count
        return response


async def _body(request: web.Request) -> object:
    if request.content_type != "application/json":
        raise BadRequest("Unsupported Media Type: Only 'application/json' is allowed")
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as problem:
        raise BadRequest(f"The body is no JSON: {problem}") from problem


def _json(value: object, status: int = 200) -> web.Response:
    body = json.dumps(value, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type="application/json")


def _peer(request: web.Request) -> str:
    name = request.transport.get_extra_info("peername") if request.transport else None
    return "{}:{}".format(*name[:2]) if name else "-"
