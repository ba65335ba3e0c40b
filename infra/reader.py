"""Reads what is deployed, side by side, without writing anything."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import modal
import modal.config
import modal.exception
from modal.types import FunctionInfo, VolumeMountInfo

from infra.comparison import services
from infra.configuration import normal
from infra.connection import stopped
from infra.errors import TargetError
from infra.live import Deployment, Endpoint, Live, Stopped
from infra.manifest import FINGERPRINT_TAG, STACK_TAG, Manifest
from infra.records import STATE_VOLUME, Kept, kept, record_path
from infra.resources import Autoscaler
from infra.stub import history, scaling

if TYPE_CHECKING:
    from infra.rates import Rates

T = TypeVar("T")
AUTOSCALER = [field.name for field in attrs.fields(Autoscaler)]
TARGETS = ("target_concurrency", "target_concurrency_float")  # a server has one of them
NOT_FOUND = (modal.exception.NotFoundError, FileNotFoundError)


@attrs.frozen(kw_only=True)
class Reader:
    """
    One reading of a Modal environment.

    Attributes:
        target: ``modal`` or ``local``.
        environment: The Modal environment; None: the default one.
        stack: Whose Apps are read.
        known: Manifests that need not be read, by fingerprint.
    """

    target: str
    environment: str | None
    stack: str
    known: Mapping[str, Manifest]
    _names: dict[str, "asyncio.Task[str]"] = attrs.field(factory=dict, init=False)
    _state: modal.Volume = attrs.field(init=False)

    @_state.default
    def _state_volume(self) -> modal.Volume:
        return modal.Volume.from_name(STATE_VOLUME, environment_name=self.environment)

    async def read(
        self,
        apps: Iterable[str],
        volumes: Iterable[str],
        secrets: Iterable[str],
        *,
        rates: bool,
    ) -> Live:
        """
        What is deployed of the stack.

        No call waits for the answers to more than four others, however many Apps there are.
        """
        apps, volumes, secrets = list(apps), list(volumes), list(secrets)
        records = asyncio.create_task(self._records())
        (workspace, costs), found, others, volumes_exist, secrets_exist = await asyncio.gather(
            self._workspace(rates),
            asyncio.gather(*(self._wanted(name, records) for name in apps)),
            self._others(apps, records),
            asyncio.gather(*map(self._volume_exists, volumes)),
            asyncio.gather(*map(self._secret_exists, secrets)),
        )
        deployed = [each for each in [*found, *others] if isinstance(each, Deployment)]
        return Live(
            target=self.target,
            workspace=workspace,
            environment=self.environment or "",
            deployments={each.app: each for each in deployed},
            stopped={
                name: each
                for name, each in zip(apps, found, strict=True)
                if isinstance(each, Stopped)
            },
            volumes=dict(zip(volumes, volumes_exist, strict=True)),
            secrets=dict(zip(secrets, secrets_exist, strict=True)),
            rates=costs,
        )

    async def stored(self, path: str) -> bytes:
        """A file of the state Volume."""
        return b"".join([chunk async for chunk in self._state.read_file.aio(path)])

    async def record(self, app: str, fingerprint: str) -> tuple[Manifest | None, str | None]:
        """A stored manifest, checked against its name, or why there is none."""
        path = f"{record_path(self.stack, app, fingerprint)}.json"
        try:
            manifest = Manifest.from_json(await self.stored(path), fingerprint)
            if (manifest.stack, manifest.app) != (self.stack, app):
                raise ValueError(f"it is of App {manifest.app} of stack {manifest.stack}")
            return manifest, None
        except NOT_FOUND:
            return None, f"there is no {path} in Volume {STATE_VOLUME}"
        except ValueError as error:
            return None, f"{path} in Volume {STATE_VOLUME} is damaged: {error}"
        except modal.exception.Error as error:
            raise said(f"reading the record of {app}", error) from error

    async def _workspace(self, rates: bool) -> tuple[str, "Rates | None"]:
        """The workspace's name, and its rates where these are asked for."""
        workspace = modal.Workspace.from_context()
        await ask("asking for the workspace", workspace.hydrate.aio())
        # The local control plane has no rates of its own.
        asks = rates and self.target == "modal"
        return workspace.name or "", await _rates(workspace) if asks else None

    async def _records(self) -> dict[str, Kept]:
        try:
            entries = await self._state.listdir.aio(f"/{self.stack}", recursive=True)
        except NOT_FOUND:
            return {}  # nothing was ever applied here
        except modal.exception.Error as error:
            raise said("listing the records", error) from error
        entries = sorted(entries, key=lambda each: each.mtime)
        return kept((each.path, each.mtime) for each in entries)

    async def _wanted(
        self, name: str, records: "asyncio.Task[dict[str, Kept]]"
    ) -> Deployment | Stopped | None:
        """An App of the stack; it was stopped if it has a receipt, which a destroy takes."""
        deployment = await self.deployment(name)
        record = (await records).get(name)
        if deployment is not None:
            return _with_receipt(deployment, record)
        app_id = record.app_id() if record else None
        return await self._end_of(app_id) if app_id else None

    async def _others(
        self, apps: Iterable[str], records: "asyncio.Task[dict[str, Kept]]"
    ) -> list[Deployment]:
        """Apps that the stack had once and has not given to another one."""
        once = {name: record for name, record in (await records).items() if name not in apps}
        found = await asyncio.gather(*map(self.deployment, once))
        ours = (each for each in found if each and each.stack == self.stack)
        return [_with_receipt(each, once[each.app]) for each in ours]

    async def _end_of(self, app_id: str) -> Stopped:
        try:
            info = await (await modal.App.lookup.aio(app_id)).info.aio()
        except modal.exception.Error:
            return Stopped()  # Modal forgets stopped Apps after a while
        at = info.lifecycle.stopped_at
        return Stopped(by=info.lifecycle.stopped_by or "", at=at.timestamp() if at else None)

    async def deployment(self, name: str) -> Deployment | None:
        """An App without its receipts; None: it is not deployed."""
        try:
            app = await modal.App.lookup.aio(name, environment_name=self.environment)
        except modal.exception.NotFoundError:
            return None
        except modal.exception.Error as error:
            raise said(f"looking for {name}", error) from error
        info = await ask(f"asking for {name}", app.info.aio())
        servers = set(info.servers)
        members = {**info.functions, **info.servers}
        (tags, record), versions, endpoints = await asyncio.gather(
            self._pointer(name, app),
            ask(f"asking for the history of {name}", history(info.app_id)),
            asyncio.gather(
                *(self._endpoint(*each, each[0] in servers) for each in members.items())
            ),
        )
        if not versions:
            return None  # created, never deployed
        manifest, problem = record
        wanted = [each for each in self.known.values() if each.app == name]
        places = _places([*wanted, *([manifest] if manifest else [])])
        return Deployment(
            app=name,
            app_id=info.app_id,
            history=tuple(versions),
            stack=tags.get(STACK_TAG),
            fingerprint=tags.get(FINGERPRINT_TAG),
            manifest=manifest,
            record_problem=problem,
            endpoints=tuple(
                sorted(endpoints, key=lambda each: (places.get(each.name, len(places)), each.name))
            ),
        )

    async def _pointer(
        self, name: str, app: modal.App
    ) -> tuple[dict[str, str], tuple[Manifest | None, str | None]]:
        """An App's tags, and the manifest that they point to."""
        tags: dict[str, str] = await ask(f"asking for the tags of {name}", app.get_tags.aio())
        stack, fingerprint = tags.get(STACK_TAG), tags.get(FINGERPRINT_TAG)
        if stack != self.stack or fingerprint is None:
            return tags, (None, None)
        if fingerprint in self.known:
            return tags, (self.known[fingerprint], None)
        return tags, await self.record(name, fingerprint)

    async def _endpoint(self, key: str, function_id: str, is_server: bool) -> Endpoint:
        function = modal.Function.from_id(function_id)
        if is_server:  # what its own handle tells leaves the limit of concurrent requests out
            function = modal.Server.from_id(function_id)._get_service_function()
        doing = f"asking for {key}"
        await ask(doing, function.hydrate.aio())
        info = await ask(doing, function.info.aio())
        urls, stats, scales, volumes, secrets = await asyncio.gather(
            ask(doing, function._experimental_get_flash_urls.aio()),
            ask(doing, function.get_current_stats.aio()),
            ask(doing, scaling(function_id)),
            asyncio.gather(*(self._mounted(*each) for each in info.volumes.items())),
            asyncio.gather(*map(self._secret_name, info.secrets)),
        )
        return Endpoint(
            name=key.removesuffix(".*"),
            function_id=function_id,
            url=urls[0] if urls else None,
            containers=stats.num_total_runners,
            image_id=info.image_info.image_id,
            configuration=normal(
                {
                    **_configuration(info, is_server),
                    **_by_path(scales.settings, is_server),
                    **dict(volumes),
                    "secrets": secrets,
                }
            ),
            defaults=normal(_by_path(scales.defaults, is_server)),
            overrides=_by_path(scales.overrides, is_server),
        )

    async def _mounted(self, path: str, mount: VolumeMountInfo) -> tuple[str, str]:
        """Which Volume is at a path, and how."""
        assert mount.volume_id
        name = await self._volume_name(mount.volume_id)
        if mount.sub_path:
            name += f", its folder {mount.sub_path}"
        return f"volumes {path}", f"{name}, read-only" if mount.read_only else name

    async def _volume_exists(self, name: str) -> bool:
        volume = modal.Volume.from_name(name, environment_name=self.environment)
        return await _exists(f"looking for Volume {name}", volume)

    async def _secret_exists(self, name: str) -> bool:
        secret = modal.Secret.from_name(name, environment_name=self.environment)
        return await _exists(f"looking for Secret {name}", secret)

    async def _volume_name(self, volume_id: str) -> str:
        return await self._name(volume_id, modal.Volume.from_id(volume_id))

    async def _secret_name(self, secret_id: str) -> str:
        return await self._name(secret_id, modal.Secret._from_id(secret_id))

    async def _name(self, object_id: str, thing: Any) -> str:
        """The thing's name, asked for once; its id where it has none, or is gone."""

        async def look_up() -> str:
            if not await _exists(f"asking for {object_id}", thing):
                return object_id
            return (await thing.info.aio()).name or object_id

        if object_id not in self._names:
            self._names[object_id] = asyncio.create_task(look_up())
        return await self._names[object_id]


async def _rates(workspace: modal.Workspace) -> "Rates":
    """The workspace's own, or list prices: not everybody may ask, and a plan does without."""
    from infra.rates import list_rates, workspace_rates

    try:
        return workspace_rates(dict(await workspace.billing.rates.aio()))
    except (modal.exception.Error, ArithmeticError, ValueError) as error:
        return list_rates(problem=" ".join(str(error).split()) or type(error).__name__)


def _places(manifests: Iterable[Manifest]) -> dict[str, int]:
    """Which place each service of an App has in it, by class: the first manifest counts."""
    names = (plain["class_name"] for each in manifests for _, plain in services(each))
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _with_receipt(deployment: Deployment, record: Kept | None) -> Deployment:
    if record is None:
        return deployment
    images = record.images.get((deployment.app_id, deployment.fingerprint or ""), {})
    return attrs.evolve(
        deployment,
        images=images,
        has_receipts=bool(record.images),
        applied=record.applied.get(deployment.app_id, 0),
        records=record.fingerprints,
        steps=record.steps.get(deployment.app_id, ()),
    )


def _by_path(settings: Mapping[str, T], is_server: bool) -> dict[str, T]:
    """An autoscaler's settings by the paths of the manifest."""
    paths = {name: f"autoscaler.{name}" for name in AUTOSCALER}
    if is_server:
        paths |= dict.fromkeys(TARGETS, "routing.target_inputs")
    return {paths[name]: value for name, value in settings.items() if name in paths}


def _configuration(info: FunctionInfo, is_server: bool) -> dict[str, Any]:
    """What the SDK tells about a service, by the paths of the manifest."""
    http = info._inner_server_info
    concurrency = info.concurrency_info
    return {
        "gpu": [f"{kind}:{count}" for kind, count in info.gpus],
        "cpu": info.cpu,
        "memory": info.memory_mib,
        "port": http and http.port,
        "routing.front_door": "server" if is_server else http and "http_server",
        "routing.region": info.regions,
        "routing.proxy_regions": [http.routing_region] if http and http.routing_region else [],
        "routing.target_inputs": concurrency and concurrency.target_inputs,
        "routing.max_inputs": concurrency and concurrency.max_inputs,
        "routing.exit_grace_period": http and http.exit_grace_period,
        "routing.unauthenticated": is_server and http and http.unauthenticated,
        "startup_timeout": is_server and http and http.startup_timeout,
        "block_network": info.block_network,
        "cloud": info.cloud,
        "ephemeral_disk": info.ephemeral_disk_mib,
        "h2_enabled": http and http.h2_enabled,
        "nonpreemptible": info.nonpreemptible,
        "restrict_modal_access": info.restrict_modal_access,
        "retries": info.max_retries,
        "schedule": info.schedule,
        "sessioned": http and http.sessioned,
        "single_use_containers": info.single_use_containers,
        "timeout": info.timeout,
    }


async def _exists(doing: str, thing: Any) -> bool:
    try:
        await thing.hydrate.aio()
    except modal.exception.NotFoundError:
        return False
    except modal.exception.Error as error:
        raise said(doing, error) from error
    return True


async def ask(doing: str, answer: Awaitable[T]) -> T:
    """
    Wait for an answer.

    Raises:
        TargetError: With what was being done.
    """
    try:
        return await answer
    except modal.exception.Error as error:
        raise said(doing, error) from error


def said(doing: str, error: Exception) -> TargetError:
    """What was being done, and what Modal answered."""
    if plane_stopped := stopped():
        return plane_stopped
    if isinstance(error, modal.exception.ConnectionError):
        url = modal.config.config.get("server_url")
        return TargetError(f"{doing}: {url} does not answer ({error})")
    return TargetError(f"{doing}: {type(error).__name__}: {error}")
