"""The HTTP endpoints of the stand-in, as vLLM has them."""

from collections.abc import Iterable

import attrs
from aiohttp import web

from infra.local.engine.answers import Answer, error
from infra.local.engine.bodies import Ask, NoSuchModel
from infra.local.engine.server import Server

GUARDED = "/v1"


class VllmServer(Server):
    """What differs from SGLang's (vllm/entrypoints of vLLM 0.33.0)."""

    def _own_routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/version", self._version)

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": self._engine.settings.version})

    def _is_guarded(self, path: str) -> bool:
        return super()._is_guarded(path) and path.startswith(GUARDED)

    def _is_quick(self, path: str) -> bool:
        return True

    def _error(self, message: str, status: int, kind: str) -> Answer:
        said = error(message, status, kind)
        del said["object"]
        return {"error": said}

    def _checked(self, ask: Ask) -> Ask:
        """Refuse a model that is not served; the answer names the served one."""
        settings = self._engine.settings
        names = settings.flags.words("--served-model-name") or [settings.model]
        if ask.model not in names:
            raise NoSuchModel(f"The model `{ask.model}` does not exist.")
        return attrs.evolve(ask, model=settings.served_model, thoughts="reasoning")

    def _told(self, cached: int) -> int:
        return cached if self._engine.settings.flags.has("--enable-prompt-tokens-details") else 0
