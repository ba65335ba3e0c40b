"""The address of one service, with the replicas behind it."""

from collections.abc import Callable
from urllib.parse import urlsplit

import attrs

from infra.local import ports
from infra.local.autoscaler import Autoscaler
from infra.local.door import Door
from infra.local.model_names import recorded
from infra.local.pool import Pool
from infra.local.replica_host import ReplicaHost
from infra.local.router import Router
from infra.local.scaling import Settings
from infra.local.services import ServiceVersion
from infra.local.status import ServiceStatus


class Front:
    """
    Keeps one service as it is deployed.

    Args:
        host: Starts the replicas.
        token: What callers of a server must show.
        tell: Gets a line, or a few, for each event.

    Attributes:
        service: The version in force.
        settings: The autoscaler's, as the control plane has them.
    """

    def __init__(
        self,
        host: ReplicaHost,
        service: ServiceVersion,
        settings: Settings,
        token: tuple[str, str],
        tell: Callable[[str], None],
    ) -> None:
        self.service = service
        self.settings = settings
        self._host = host
        self._token = token
        self._tell = tell
        self._pool = Pool()
        self._router = Router(pool=self._pool, door=Door())
        self._autoscaler = Autoscaler(pool=self._pool, tell=tell)

    async def open(self) -> None:
        """Listen on the service's port; if somebody else does, on another one from now on."""
        port = urlsplit(self.service.url).port
        assert port
        try:
            await self._router.start(port)
        except OSError:
            other = self._host.write(lambda call: ports.move(call, self.service.place))
            await self._router.start(other)
            self._tell(f"port {port} is taken by another program: now at {self.url}")
        self._deploy()

    @property
    def url(self) -> str:
        """Where it answers, once it is open."""
        return self._router.url

    def start(self) -> None:
        """Begin to act."""
        self._autoscaler.start()

    def deploy(self, service: ServiceVersion, settings: Settings) -> None:
        """Put another version in force; replicas of the one before go as its own get ready."""
        self.service = service
        self.settings = settings
        self._deploy()

    def update(self, settings: Settings) -> None:
        """Put other settings in force at once."""
        before, self.settings = attrs.asdict(self.settings), settings
        after = attrs.asdict(settings)
        changes = (
            f"{name} {before[name]} -> {now}" for name, now in after.items() if before[name] != now
        )
        self._tell(", ".join(changes))
        self._autoscaler.update(self._possible(settings))

    def check(self) -> None:
        """Raise what has ended the autoscaler, if something has."""
        self._autoscaler.check()

    async def close(self) -> None:
        """Let the replicas finish, within the service's grace period, and hang up."""
        try:
            await self._autoscaler.stop(self.service.exit_grace_period)
        finally:
            await self._router.stop()

    def status(self) -> ServiceStatus:
        service = self.service
        called, model = self._host.read(lambda call: recorded(call, service))
        return ServiceStatus(
            name=service.name,
            environment=service.environment_name,
            app=service.app_name,
            service=service.class_name,
            called=called,
            version=service.version,
            url=self.url,
            model=model,
            gpu=service.gpu,
            min_containers=self.settings.min_containers,
            max_containers=self.settings.max_containers,
            ready=len(self._pool.ready()),
            wanted=self._autoscaler.wanted,
            in_flight=self._pool.load(),
            failures=self._autoscaler.failures,
            last_failure=self._autoscaler.last_failure,
        )

    def _deploy(self) -> None:
        service = self.service
        is_guarded = service.front_door == "server" and not service.unauthenticated
        self._router.door = Door(token=self._token if is_guarded else None)
        self._pool.max_concurrency = service.max_concurrency
        self._autoscaler.deploy(
            lambda: self._host.replica(service),
            self._possible(self.settings),
            exit_grace_period=service.exit_grace_period,
        )

    def _possible(self, settings: Settings) -> Settings:
        """What this machine can do, with the target that stands outside of the settings."""
        target = settings.target_concurrency or self.service.target_concurrency
        most = settings.max_containers if self._host.isolation.is_complete else 1
        return attrs.evolve(settings, target_concurrency=target, max_containers=most)
