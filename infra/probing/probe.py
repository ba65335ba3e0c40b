"""The phases of a probe: wait, chat; then, if asked for, load."""

from collections.abc import Callable, Mapping

import aiohttp
import attrs

from infra.probing.answer import Show
from infra.probing.chat import Caller, client
from infra.probing.conversation import converse
from infra.probing.load import Tally, load
from infra.probing.readiness import Ready, wait_ready
from infra.probing.report import Chats
from infra.probing.services import Service


@attrs.frozen(kw_only=True)
class Probe:
    """
    One service and what it is asked.

    Attributes:
        service: Whom to call.
        headers: What its proxy wants to see.
        prompt: The first question.
        max_tokens: Of each answer.
    """

    service: Service
    headers: Mapping[str, str] = attrs.field(repr=False)
    prompt: str
    max_tokens: int

    async def meet(
        self,
        *,
        timeout: float,
        waits: Callable[[str], None],
        check: Callable[[], None],
        is_ready: Callable[[Ready], None],
        show: Show | None,
    ) -> Chats:
        """
        Wait until the service answers, and have a conversation with it.

        Args:
            timeout: Seconds to wait.
            waits: Is given each new reason for waiting.
            check: Raises `Failed` when waiting is in vain.
            is_ready: Is told when that is over.
            show: Is given the first answer as it comes.

        Raises:
            Failed: It did not get ready, or an answer is not whole.
        """
        url, model = self.service.url, self.service.model
        async with client(url, self.headers) as there:
            ready = await wait_ready(there, model, timeout=timeout, tell=waits, check=check)
            is_ready(ready)
            # On the same connection: the first answer's time is then the engine's.
            turns = await converse(self._caller(there, ready.model), self.prompt, show)
        return Chats(service=self.service, ready=ready, turns=turns)

    async def strain(
        self,
        chats: Chats,
        *,
        concurrency: int,
        duration: float,
        tally: Tally,
        tell: Callable[[Tally], None],
    ) -> None:
        """Put load on a service that was met; see `load`."""
        async with client(self.service.url, self.headers) as there:
            await load(
                self._caller(there, chats.ready.model),
                self.prompt,
                concurrency=concurrency,
                duration=duration,
                tally=tally,
                tell=tell,
            )

    def _caller(self, there: aiohttp.ClientSession, model: str) -> Caller:
        return Caller(
            client=there,
            model=model,
            max_tokens=self.max_tokens,
            is_sticky=self.service.is_sticky,
        )
