"""Runs what is deployed in the state under a folder, and follows it."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from infra.local import report, scheduling, services
from infra.local.call import Call
from infra.local.engine.clock import SPEED, speed_text
from infra.local.front import Front
from infra.local.ports import Place
from infra.local.proxy_token import proxy_token
from infra.local.replica_host import ReplicaHost
from infra.local.scaling import Settings
from infra.local.services import ServiceVersion
from infra.local.status import Status

# Between two looks at whether the state was changed, by whatever process; a look takes some µs.
_LOOK_SECONDS = 0.05


class Rehearsal:
    """
    The services of a folder, each behind an address of its own.

    Inside the block they have their addresses; `run` makes them live.

    Args:
        root: Folder of the state.
        tell: Gets a service's name and a line, or a few, for each event.
    """

    def __init__(self, root: Path, tell: Callable[[str, str], None]) -> None:
        self._root = root
        self._tell = tell
        self._since = time.time()
        self._speed = speed_text(os.environ.get(SPEED, ""))
        self._host = ReplicaHost(root)
        self._fronts: dict[Place, Front] = {}
        self._closing: dict[Place, asyncio.Task[None]] = {}
        self._is_running = False

    @property
    def control(self) -> Path:
        """A path for the daemon's own socket."""
        return self._host.sockets_folder / "control"

    @property
    def left_over(self) -> tuple[str, ...]:
        """The replicas of a killed daemon, of which the rest was removed."""
        return self._host.left_over

    async def __aenter__(self) -> Self:
        await self._host.__aenter__()
        try:
            self._token = proxy_token(self._root)
            self._seen = self._host.changes()
            await self._follow()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            for key in self._fronts:
                self._close(key)
            await asyncio.gather(*self._closing.values())
        finally:
            await self._host.__aexit__()

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the state until it is time to stop."""
        self._is_running = True
        for front in self._fronts.values():
            front.start()
        while not stopping.is_set():
            for front in self._fronts.values():
                front.check()
            changes = self._host.changes()
            if changes != self._seen:
                self._seen = changes
                await self._follow()
            await asyncio.sleep(_LOOK_SECONDS)

    def status(self, url: str) -> Status:
        """
        What goes on now.

        Args:
            url: Of the control plane.
        """
        return Status(
            url=url,
            root=str(self._root),
            pid=os.getpid(),
            since=self._since,
            speed=self._speed,
            services=tuple(front.status() for _, front in sorted(self._fronts.items())),
            notice=self._host.isolation.notice or "",
        )

    async def _follow(self) -> None:
        deployed = self._host.read(_deployed)
        for key in self._fronts.keys() - deployed.keys() - self._closing.keys():
            self._tell(self._fronts[key].service.name, "is not deployed any more")
            self._close(key)
        for key, (service, settings) in deployed.items():
            if key in self._closing:
                continue  # its address is in use until it is closed, and then this runs again
            if key not in self._fronts:
                try:
                    await self._open(key, service, settings)
                except (OSError, RuntimeError) as error:  # the others are served all the same
                    self._tell(
                        service.name, f"it is not served: {error}; mend that and deploy it again"
                    )
                continue
            front = self._fronts[key]
            if (service.app_id, service.version) != (front.service.app_id, front.service.version):
                self._tell(service.name, f"v{service.version} deployed")
                front.deploy(service, settings)
            elif settings != front.settings:
                front.update(settings)

    async def _open(self, key: Place, service: ServiceVersion, settings: Settings) -> None:
        def tell(text: str) -> None:
            self._tell(service.name, text)

        front = Front(self._host, service, settings, self._token, tell)
        try:
            await front.open()
        except BaseException:
            await front.close()
            raise
        self._fronts[key] = front
        if self._is_running:
            tell(f"v{service.version} deployed at {front.url}: {report.runs(front.status())}")
            front.start()

    def _close(self, key: Place) -> None:
        if key not in self._closing:
            self._closing[key] = asyncio.create_task(self._hang_up(key))

    async def _hang_up(self, key: Place) -> None:
        front = self._fronts[key]
        try:
            await front.close()
        except Exception as error:  # the others are to end well
            self._tell(
                front.service.name, f"it has not ended well: {type(error).__name__}: {error}"
            )
        finally:
            del self._fronts[key], self._closing[key]
            self._seen = -1  # it may have been deployed again meanwhile


def _deployed(call: Call) -> dict[Place, tuple[ServiceVersion, Settings]]:
    found = {}
    for each in services.live(call):
        settings = Settings.parse(scheduling.current(call, each.function_id))
        found[each.place] = (each, settings)
    return found
