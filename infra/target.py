"""The one adapter over the modal SDK: what is deployed is read here, and changed here."""

import asyncio
import contextlib
import importlib.util
import io
import itertools
import sys
from collections.abc import Awaitable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import attrs
import modal
import modal.config
import modal.exception

from infra.compile import Artifact
from infra.errors import TargetError
from infra.history import history
from infra.live import Deployment, Endpoint, Live
from infra.manifest import FINGERPRINT_TAG, STACK_TAG, Manifest

STATE_VOLUME = "infra-state"
T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Target:
    """
    A Modal environment, at Modal or in the local control plane.

    Which of the two it is depends on where the SDK has been pointed; the calls are the same.

    Attributes:
        name: ``modal`` or ``local``.
        environment: The Modal environment; None: the workspace's default.
    """

    name: str
    environment: str | None

    async def read(
        self,
        stack: str,
        *,
        apps: Iterable[str],
        known: Iterable[Manifest] = (),
        volumes: Iterable[str] = (),
        secrets: Iterable[str] = (),
    ) -> Live:
        """
        What is deployed of a stack; nothing is written.

        Calls run side by side, and none waits for more than three others, however many Apps
        there are.

        Args:
            stack: Whose Apps, also such as the stack file does not hold any more.
            apps: Names of the Apps that the stack file holds.
            known: Records that the caller has; one of the same fingerprint is not read again.
            volumes: Names of the Volumes to look for.
            secrets: Names of the Secrets to look for.
        """
        apps, volumes, secrets = list(apps), list(volumes), list(secrets)
        records = {manifest.fingerprint: manifest for manifest in known}
        workspace, ours, once_ours, existing_volumes, existing_secrets = await asyncio.gather(
            self._workspace(),
            asyncio.gather(*(self._deployment(name, records) for name in apps)),
            self._once_deployed(stack, apps),
            asyncio.gather(*map(self._volume_exists, volumes)),
            asyncio.gather(*map(self._secret_exists, secrets)),
        )
        return Live(
            target=self.name,
            workspace=workspace,
            environment=self.environment or "",
            deployments={each.app: each for each in [*ours, *once_ours] if each},
            volumes=dict(zip(volumes, existing_volumes, strict=True)),
            secrets=dict(zip(secrets, existing_secrets, strict=True)),
        )

    async def module(self, deployment: Deployment) -> str:
        """The text of the deployed module, as it was stored; empty where it can't be had."""
        path = _record_path(deployment.stack or "", deployment.app, deployment.fingerprint or "")
        with contextlib.suppress(modal.exception.NotFoundError, FileNotFoundError):
            return (await self._stored(path + ".py")).decode("utf-8", "replace")
        return ""

    async def store(self, artifact: Artifact) -> None:
        """Keep the record under its fingerprint, before anything refers to it."""
        volume = modal.Volume.from_name(
            STATE_VOLUME, environment_name=self.environment, create_if_missing=True
        )
        manifest = artifact.manifest
        path = _record_path(manifest.stack, manifest.app, manifest.fingerprint)
        try:
            # What is there under a fingerprint is what would be written.
            async with volume.batch_upload.aio(force=True) as batch:
                batch.put_file(io.BytesIO(manifest.to_json()), f"{path}.json")
                batch.put_file(io.BytesIO(artifact.source.encode()), f"{path}.py")
        except modal.exception.Error as error:
            raise _said(f"storing the record of {manifest.app}", error) from error

    async def deploy(self, artifact: Artifact, folder: Path) -> None:
        """
        Publish the App: the one call that makes it live also moves its tags.

        Args:
            artifact: What to deploy.
            folder: Where the module is put for the SDK to import and to upload.
        """
        path = folder / f"{artifact.module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifact.source, encoding="utf-8")
        try:
            app = _import(path).app
            await app.deploy.aio(environment_name=self.environment)
        except Exception as error:  # a module may also fail in Python: a local file is missing
            raise _said("building and publishing it", error) from error

    async def stop(self, deployment_id: str) -> None:
        """Stop an App: its containers end, its URL answers no more."""
        try:
            app = await modal.App.lookup.aio(deployment_id)
            await app.stop.aio()
        except modal.exception.Error as error:
            raise _said(f"stopping {deployment_id}", error) from error

    async def _workspace(self) -> str:
        workspace = modal.Workspace.from_context()
        await self._ask("asking for the workspace", workspace.hydrate.aio())
        return workspace.name or ""

    async def _once_deployed(self, stack: str, apps: list[str]) -> list[Deployment | None]:
        """Apps that have a record of this stack, beside those that the stack file holds."""
        volume = modal.Volume.from_name(STATE_VOLUME, environment_name=self.environment)
        try:
            entries = await volume.listdir.aio(f"/{stack}")
        except (modal.exception.NotFoundError, FileNotFoundError):
            return []  # nothing was ever applied here
        except modal.exception.Error as error:
            raise _said("reading the records", error) from error
        names = [Path(entry.path).name for entry in entries]
        others = await asyncio.gather(*(self._deployment(n, {}) for n in names if n not in apps))
        return [each for each in others if each and each.stack == stack]

    async def _deployment(self, name: str, known: Mapping[str, Manifest]) -> Deployment | None:
        try:
            app = await modal.App.lookup.aio(name, environment_name=self.environment)
        except modal.exception.NotFoundError:
            return None
        except modal.exception.Error as error:
            raise _said(f"looking for {name}", error) from error
        info = await self._ask(f"asking for {name}", app.info.aio())
        members = {**info.functions, **info.servers}
        tags, versions, endpoints = await asyncio.gather(
            self._ask(f"asking for the tags of {name}", app.get_tags.aio()),
            self._ask(f"asking for the history of {name}", history(info.app_id)),
            asyncio.gather(*itertools.starmap(self._endpoint, members.items())),
        )
        if not versions:
            return None  # created, never deployed
        stack, fingerprint = tags.get(STACK_TAG), tags.get(FINGERPRINT_TAG)
        manifest, problem = known.get(fingerprint or ""), None
        if stack and fingerprint and manifest is None:
            manifest, problem = await self._record(stack, name, fingerprint)
        newest = versions[0]
        return Deployment(
            app=name,
            app_id=info.app_id,
            version=newest.version,
            deployed_at=newest.at,
            deployed_by=newest.by,
            commit=newest.commit,
            dirty=newest.dirty,
            stack=stack,
            fingerprint=fingerprint,
            manifest=manifest,
            record_problem=problem,
            endpoints=tuple(endpoints),
        )

    async def _record(
        self, stack: str, app: str, fingerprint: str
    ) -> tuple[Manifest | None, str | None]:
        """The stored manifest, checked against its name, or why there is none."""
        path = f"{_record_path(stack, app, fingerprint)}.json"
        try:
            return Manifest.from_json(await self._stored(path), fingerprint), None
        except (modal.exception.NotFoundError, FileNotFoundError):
            return None, f"there is no {path} in Volume {STATE_VOLUME}"
        except ValueError as error:
            return None, f"{path} in Volume {STATE_VOLUME} is damaged: {error}"
        except modal.exception.Error as error:
            raise _said(f"reading the record of {app}", error) from error

    async def _stored(self, path: str) -> bytes:
        volume = modal.Volume.from_name(STATE_VOLUME, environment_name=self.environment)
        return b"".join([chunk async for chunk in volume.read_file.aio(path)])

    async def _endpoint(self, key: str, function_id: str) -> Endpoint:
        function = modal.Function.from_id(function_id)
        try:
            await function.hydrate.aio()
            urls, stats = await asyncio.gather(
                function._experimental_get_flash_urls.aio(), function.get_current_stats.aio()
            )
        except modal.exception.Error as error:
            raise _said(f"asking for {key}", error) from error
        return Endpoint(
            name=key.removesuffix(".*"),
            function_id=function_id,
            url=urls[0] if urls else None,
            containers=stats.num_total_runners,
        )

    async def _volume_exists(self, name: str) -> bool:
        volume = modal.Volume.from_name(name, environment_name=self.environment)
        return await self._exists(f"looking for Volume {name}", volume)

    async def _secret_exists(self, name: str) -> bool:
        secret = modal.Secret.from_name(name, environment_name=self.environment)
        return await self._exists(f"looking for Secret {name}", secret)

    async def _exists(self, doing: str, thing: Any) -> bool:
        try:
            await thing.hydrate.aio()
        except modal.exception.NotFoundError:
            return False
        except modal.exception.Error as error:
            raise _said(doing, error) from error
        return True

    async def _ask(self, doing: str, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except modal.exception.Error as error:
            raise _said(doing, error) from error


def _record_path(stack: str, app: str, fingerprint: str) -> str:
    """Where a record is kept; the folders say which Apps a stack has ever had."""
    return f"/{stack}/{app}/{fingerprint}"


def _said(doing: str, error: Exception) -> TargetError:
    """What was being done, and what Modal answered."""
    if isinstance(error, modal.exception.ConnectionError):
        url = modal.config.config.get("server_url")
        return TargetError(f"{doing}: {url} does not answer ({error})")
    return TargetError(f"{doing}: {type(error).__name__}: {error}")


def _import(path: Path) -> ModuleType:
    """The module as `modal deploy` imports it: under its own name, from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path}: can't be imported; run `infra synth` and look at it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
