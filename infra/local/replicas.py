"""One running copy of a service, under Modal's own container runtime."""

import asyncio
import contextlib
import json
import signal
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from grpclib import GRPCError
from modal_proto import api_pb2

from infra.local import launch, tasks
from infra.local.blueprints import read_blueprint
from infra.local.first_process import FirstProcess
from infra.local.ids import new_id
from infra.local.logs import Line
from infra.local.output import lines
from infra.local.replica_calls import ReplicaCalls
from infra.local.servers import HangUpServer
from infra.local.services import ServiceVersion, deployed_services

if TYPE_CHECKING:
    from infra.local.replica_host import ReplicaHost

__all__ = ["Replica", "ReplicaFailed", "ServiceVersion", "deployed_services"]

State = Literal["starting", "ready", "draining", "stopped", "failed"]

_KEPT_LINES = 50
# The others are in the log.
_TOLD_LINES = 20
_LONGEST_REASON = 1_000
# The runtime of an `http_server` gives up by itself after about as long.
_PORT_LOST_SECONDS = 15
# For output that is still in the pipes when the last process has ended.
_LAST_WORDS_SECONDS = 2


class ReplicaFailed(Exception):
    """A replica ended, or was late, without anybody having asked for it."""


class Replica:
    """
    One container's worth of a service.

    Attributes:
        id: Modal's id of the container.
        state: It is "draining" when it must get no new requests: it is about to stop, or its
            port does not answer.
        reason: Why it ended, as long as it did.
        socket: Speaks HTTP with the port that the module's engine listens on.
        last_lines: Of its output.
    """

    def __init__(self, host: "ReplicaHost", service: ServiceVersion) -> None:
        self.id = new_id("ta")
        self.service = service
        self.state: State = "starting"
        self.reason = ""
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.stopping = asyncio.Event()
        self._host = host
        self._folders = host.folders(self.id)
        self._is_begun = False
        self._is_registered = False
        self._accepts = False
        self._doom = ""
        self._lost: asyncio.TimerHandle | None = None
        self._life: asyncio.Task[None] | None = None
        self._resources = contextlib.AsyncExitStack()
        self._settled = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def socket(self) -> Path:
        return self._folders.socket

    async def start(self) -> None:
        """Return when its process runs; `wait_ready` says when it serves."""
        self._is_begun = True
        self._host.write(lambda call: tasks.add(call, self.id, self.service))
        try:
            plan = await self._prepare()
            await self._serve_calls()
            await self._spawn(plan)
        except BaseException as error:
            said = error.message if isinstance(error, GRPCError) else error
            await self._finish("failed", f"it could not be started: {said}")
            if isinstance(error, Exception):
                raise ReplicaFailed(self.obituary()) from error
            raise
        self._life = asyncio.create_task(self._live())
        if self.stopping.is_set():
            self._first.kill()

    async def wait_ready(self) -> None:
        """Return when it serves; raise if it ended before, with its last lines."""
        await self._settled.wait()
        if self.state in tasks.ENDED:
            raise ReplicaFailed(self.obituary())

    async def wait_ended(self) -> None:
        """Return when nothing of it is left."""
        await self._ended.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Let its exit hooks run for so long; then nothing of it is left, whatever they did."""
        is_up = self.state in ("ready", "draining")
        self.stopping.set()
        self._enter("draining")
        if is_up:
            if self.service.front_door == "server":
                self._first.terminate_module()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), grace_seconds)
        if self._life is not None:
            # The first process ends when this is closed, and the kernel ends the others.
            self._first.kill()
        if self._is_begun:
            await self._ended.wait()

    def obituary(self) -> str:
        """Why it ended and what it said last."""
        lines = "".join(f"\n    {line}" for line in [*self.last_lines][-_TOLD_LINES:])
        said = f"Its last output:{lines}" if lines else "It has printed nothing."
        return f"replica {self.id} {self.state}: {self.reason}. {said}"

    # What Modal's runtime tells, by its calls.

    def hooks_done(self) -> None:
        # From here on the runtime itself limits how long the port may take.
        if self.service.front_door == "http_server":
            self._deadline.cancel()

    def registered(self, is_serving: bool) -> None:
        self._is_registered = is_serving
        self._reconsider()

    def reported(self, result: api_pb2.GenericResult) -> None:
        self._doom = self._doom or result.exception[:_LONGEST_REASON]

    def port_lost(self) -> None:
        self._doom = self._doom or "its port no longer answered"
        self._host.stop_soon(self)

    async def commit_volume(self, volume_id: str) -> None:
        await self._host.commit_volume(volume_id)

    async def reload_volume(self, volume_id: str) -> None:
        await self._host.fill_volume(volume_id)

    # Beginning.

    async def _prepare(self) -> bytes:
        blueprint = self._host.read(lambda call: read_blueprint(call, self.service))
        volume_ids = {mount.volume_id for mount in blueprint.volumes}
        volumes = {each: await self._host.fill_volume(each) for each in volume_ids}
        self._resources.push_async_callback(asyncio.to_thread, self._folders.remove)
        self._folders.make()
        # The router has let requests finish by then: the runtime need not wait as long again.
        blueprint.function.http_config.exit_grace_period = 0
        arguments = api_pb2.ContainerArguments(
            task_id=self.id,
            function_id=self.service.function_id,
            app_id=self.service.app_id,
            environment_name=self.service.environment_name,
            function_def=blueprint.function,
            app_layout=blueprint.layout,
        )
        self._folders.arguments.write_bytes(arguments.SerializeToString())
        plan = await asyncio.to_thread(
            launch.plan,
            blueprint,
            self.service,
            self.id,
            self._folders,
            self._host.blobs,
            self._host.models,
            volumes,
            self._host.hidden,
        )
        return json.dumps(plan).encode()

    async def _serve_calls(self) -> None:
        server = HangUpServer(ReplicaCalls(self, self._host.dispatcher(self.id)))
        await server.start(path=str(self._folders.plane))
        self._resources.push_async_callback(server.wait_closed)
        self._resources.callback(server.hang_up)

    async def _spawn(self, plan: bytes) -> None:
        self._first = await FirstProcess.start(self._host.isolation.prefix, plan)
        self._resources.callback(self._first.kill)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self.service.startup_timeout, self._give_up)
        self._resources.callback(self._deadline.cancel)

    # Living.

    async def _live(self) -> None:
        output = [
            asyncio.create_task(each)
            for each in (
                self._read(self._first.stdout, api_pb2.FILE_DESCRIPTOR_STDOUT),
                self._read(self._first.stderr, api_pb2.FILE_DESCRIPTOR_STDERR),
                self._watch(),
            )
        ]
        code = await self._first.wait()
        _, late = await asyncio.wait(output, timeout=_LAST_WORDS_SECONDS)
        for task in late:
            task.cancel()
        if self._doom or not self.stopping.is_set():
            await self._finish("failed", self._doom or f"it ended by itself, {_how(code)}")
        else:
            await self._finish("stopped", f"it was asked to stop, and ended {_how(code)}")

    async def _read(self, stream: asyncio.StreamReader, source: int) -> None:
        async for line in lines(stream):
            self._line(line, source)

    def _line(self, text: str, source: int) -> None:
        if text.strip():
            self.last_lines.append(text.rstrip())
        self._host.log(
            Line(
                app_id=self.service.app_id,
                function_id=self.service.function_id,
                task_id=self.id,
                text=text,
                at_ns=time.time_ns(),
                source=source,
            )
        )

    async def _watch(self) -> None:
        async for accepts in self._first.accepting():
            self._accepts = accepts
            self._reconsider()

    def _reconsider(self) -> None:
        if self.stopping.is_set() or self.state in tasks.ENDED:
            return
        if self._is_registered and self._accepts:
            self._deadline.cancel()
            self._enter("ready")
            self._settled.set()
            if self._lost:
                self._lost.cancel()
        elif self.state == "ready":
            self._enter("draining")
            if self.service.front_door == "server":
                loop = asyncio.get_running_loop()
                self._lost = loop.call_later(_PORT_LOST_SECONDS, self.port_lost)
                self._resources.callback(self._lost.cancel)

    def _enter(self, state: State) -> None:
        if self.state in (state, *tasks.ENDED):
            return
        self.state = state
        self._host.write(lambda call: tasks.change(call, self.id, state, self.reason))

    # Ending.

    def _give_up(self) -> None:
        seconds = f"{self.service.startup_timeout:g} s"
        self._doom = f"it was not ready within its startup_timeout of {seconds}"
        self._first.kill()

    async def _finish(self, state: State, reason: str) -> None:
        await self._resources.aclose()
        self.reason = reason
        self._enter(state)
        self._host.forget(self)
        self._settled.set()
        self._ended.set()


def _how(code: int) -> str:
    # The first process passes a signal on as a shell does.
    number = -code if code < 0 else code - 128
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(number).name}"
    return f"with exit code {code}"
