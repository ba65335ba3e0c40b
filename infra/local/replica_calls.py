"""What Modal's runtime asks of the machine around it, answered over a socket of one replica's."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import grpclib.server
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from grpclib.const import Handler
from modal_proto import api_pb2

from infra.local import service
from infra.local.dispatch import Dispatcher

# Modal answers a container that has nothing to do now and then, so that dead calls are noticed.
_IDLE_SECONDS = 50

_Answer = Callable[[Any], Awaitable[Message]]


class Listener(Protocol):
    """Whom the runtime's calls concern: the replica."""

    id: str
    stopping: asyncio.Event

    def hooks_done(self) -> None:
        """The enter hooks are done."""

    def registered(self, is_serving: bool) -> None:
        """The runtime found that the port accepts, or no longer does."""

    def reported(self, result: api_pb2.GenericResult) -> None:
        """The module raised."""

    def port_lost(self) -> None:
        """The runtime gives up, as its port has not answered for some time."""

    async def commit_volume(self, volume_id: str) -> None:
        """Store what was written to a Volume."""

    async def reload_volume(self, volume_id: str) -> None:
        """Show what others have committed to a Volume."""


class ReplicaCalls:
    """
    The servicer of one replica's socket.

    Everything but a container's own calls goes to the plane, as a client's would; the socket
    stands for the token, as only this replica can reach it.
    """

    def __init__(self, listener: Listener, dispatcher: Dispatcher) -> None:
        self._listener = listener
        self._dispatcher = dispatcher
        self._own: Mapping[str, _Answer] = {
            "ContainerHello": self._hello,
            "ContainerHeartbeat": self._heartbeat,
            "ContainerStop": self._stop,
            "ContainerServerLifecycleReady": self._ready,
            "FlashContainerDeregister": self._deregister,
            "FlashContainerRegister": self._register,
            "FunctionGetDynamicConcurrency": self._concurrency,
            "FunctionGetInputs": self._inputs,
            "TaskResult": self._result,
            "TunnelStart": self._open_tunnel,
            "TunnelStop": self._close_tunnel,
            "VolumeCommit": self._commit,
            "VolumeReload": self._reload,
        }

    def __mapping__(self) -> Mapping[str, Handler]:
        handlers = dict(self._dispatcher.__mapping__())
        for path, handler in handlers.items():
            if own := self._own.get(service.name_of(path)):
                handlers[path] = handler._replace(func=functools.partial(_answer, own))
        return handlers

    async def _hello(self, _: Empty) -> Empty:
        return Empty()

    async def _heartbeat(
        self, _: api_pb2.ContainerHeartbeatRequest
    ) -> api_pb2.ContainerHeartbeatResponse:
        return api_pb2.ContainerHeartbeatResponse()

    async def _ready(self, _: api_pb2.ContainerServerLifecycleReadyRequest) -> Empty:
        self._listener.hooks_done()
        # What runs under this front door is watched from outside: the runtime says no more.
        self._listener.registered(True)
        return Empty()

    async def _open_tunnel(
        self, request: api_pb2.TunnelStartRequest
    ) -> api_pb2.TunnelStartResponse:
        """The runtime opens one right after the enter hooks; here the router needs none."""
        self._listener.hooks_done()
        return api_pb2.TunnelStartResponse(host=tunnel_host(self._listener.id), port=443)

    async def _close_tunnel(self, _: api_pb2.TunnelStopRequest) -> api_pb2.TunnelStopResponse:
        return api_pb2.TunnelStopResponse(exists=True)

    async def _register(
        self, request: api_pb2.FlashContainerRegisterRequest
    ) -> api_pb2.FlashContainerRegisterResponse:
        self._listener.registered(True)
        return api_pb2.FlashContainerRegisterResponse(url=f"https://{request.host}")

    async def _deregister(self, _: api_pb2.FlashContainerDeregisterRequest) -> Empty:
        self._listener.registered(False)
        return Empty()

    async def _stop(self, _: api_pb2.ContainerStopRequest) -> api_pb2.ContainerStopResponse:
        self._listener.port_lost()
        return api_pb2.ContainerStopResponse()

    async def _inputs(
        self, _: api_pb2.FunctionGetInputsRequest
    ) -> api_pb2.FunctionGetInputsResponse:
        """HTTP services get no inputs; but the runtime stops when it is told to in place of one."""
        try:
            await asyncio.wait_for(self._listener.stopping.wait(), _IDLE_SECONDS)
        except TimeoutError:
            return api_pb2.FunctionGetInputsResponse()
        stop = api_pb2.FunctionGetInputsItem(kill_switch=True)
        return api_pb2.FunctionGetInputsResponse(inputs=[stop])

    async def _concurrency(
        self, request: api_pb2.FunctionGetDynamicConcurrencyRequest
    ) -> api_pb2.FunctionGetDynamicConcurrencyResponse:
        return api_pb2.FunctionGetDynamicConcurrencyResponse(concurrency=request.target_concurrency)

    async def _result(self, request: api_pb2.TaskResultRequest) -> Empty:
        self._listener.reported(request.result)
        return Empty()

    async def _commit(self, request: api_pb2.VolumeCommitRequest) -> api_pb2.VolumeCommitResponse:
        await self._listener.commit_volume(request.volume_id)
        return api_pb2.VolumeCommitResponse(skip_reload=True)

    async def _reload(self, request: api_pb2.VolumeReloadRequest) -> Empty:
        await self._listener.reload_volume(request.volume_id)
        return Empty()


def tunnel_host(task_id: str) -> str:
    return f"{task_id.lower()}.modal.local"


async def _answer(own: _Answer, stream: "grpclib.server.Stream[Any, Any]") -> None:
    request = await stream.recv_message()
    await stream.send_message(await own(request))
