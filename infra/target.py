"""The one adapter over the modal SDK: everything that changes a target is here."""

import contextlib
import importlib.util
import io
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import modal
import modal.exception

from infra.compile import Artifact
from infra.live import Deployment, Live
from infra.manifest import FINGERPRINT_TAG, STACK_TAG, Manifest
from infra.reader import NOT_FOUND, Reader, ask, said
from infra.records import STATE_VOLUME, receipt_path, receipts_path, record_path


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
        rates: bool = False,
    ) -> Live:
        """
        What is deployed of a stack; nothing is written.

        Args:
            stack: Whose Apps, also such as the stack file does not hold any more.
            apps: Names of the Apps that the stack file holds.
            known: Records that the caller has; one of the same fingerprint is not read again.
            volumes: Names of the Volumes to look for.
            secrets: Names of the Secrets to look for.
            rates: Whether to ask what computing costs.
        """
        return await self._reader(stack, known).read(apps, volumes, secrets, rates=rates)

    async def deployment(self, app: str, manifest: Manifest | None) -> Deployment | None:
        """One App without its receipts, where its record can only be this one."""
        known = [manifest] if manifest else []
        return await self._reader(manifest.stack if manifest else "", known).deployment(app)

    async def artifact(self, stack: str, app: str, fingerprint: str) -> Artifact | str:
        """What was deployed under a fingerprint, or why it can't be had any more."""
        reader = self._reader(stack)
        manifest, problem = await reader.record(app, fingerprint)
        if manifest is None:
            return problem or "its record is lost"
        path = f"{record_path(stack, app, fingerprint)}.py"
        try:
            stored = await reader.stored(path)
        except NOT_FOUND:
            return f"there is no {path} in Volume {STATE_VOLUME}"
        artifact = Artifact(manifest, stored.decode(errors="replace"))
        if not artifact.is_whole():  # whoever may write to the Volume could have put code there
            return (
                f"{path} in Volume {STATE_VOLUME} is not what was deployed; only the text that its "
                "record was made with is executed; apply the stack file of that commit instead"
            )
        return artifact

    async def manifest(self, stack: str, app: str, fingerprint: str) -> Manifest | None:
        """A stored record, or None where it can't be had any more."""
        return (await self._reader(stack).record(app, fingerprint))[0]

    async def module(self, deployment: Deployment) -> str:
        """The text of the deployed module, as it was stored; empty where it can't be had."""
        stack, fingerprint = deployment.stack or "", deployment.fingerprint or ""
        path = f"{record_path(stack, deployment.app, fingerprint)}.py"
        with contextlib.suppress(*NOT_FOUND):
            return (await self._reader(stack).stored(path)).decode("utf-8", "replace")
        return ""

    async def store(self, artifact: Artifact) -> None:
        """Keep the record under its fingerprint, before anything refers to it."""
        manifest = artifact.manifest
        path = record_path(manifest.stack, manifest.app, manifest.fingerprint)
        files = {f"{path}.json": manifest.to_json(), f"{path}.py": artifact.source.encode()}
        await self._put(f"storing the record of {manifest.app}", files)

    async def deploy(self, artifact: Artifact, folder: Path, tag: str) -> None:
        """
        Publish the App: the one call that makes it live also moves its tags.

        Args:
            artifact: What to deploy.
            folder: Where the module is put for the SDK to import and to upload.
            tag: For Modal's history; another one than the last makes Modal deploy what it has.
        """
        path = folder / f"{artifact.module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifact.source, encoding="utf-8")
        try:
            app = _import(path).app
            await app.deploy.aio(environment_name=self.environment, tag=tag)
        except Exception as error:  # a module may also fail in Python: a local file is missing
            raise said("building and publishing it", error) from error

    async def scale(
        self, function_id: str, *, is_server: bool, settings: Mapping[str, Any]
    ) -> None:
        """Change an autoscaler while the App runs; no container is replaced."""
        kind = modal.Server if is_server else modal.Function
        autoscaler = kind.from_id(function_id).autoscaler
        await ask(f"scaling {function_id}", autoscaler.update.aio(**settings))

    async def point(self, app_id: str, manifest: Manifest) -> None:
        """Make the App's tags refer to another record, without deploying."""
        app = await ask(f"looking for {app_id}", modal.App.lookup.aio(app_id))
        tags = await ask("asking for its tags", app.get_tags.aio())
        ours = {FINGERPRINT_TAG: manifest.fingerprint, STACK_TAG: manifest.stack}
        await ask("moving its tags", app.set_tags.aio({**tags, **ours}))

    async def receipt(self, stack: str, deployment: Deployment, scaling: int) -> None:
        """
        Keep what Modal says right after a deployment, to tell later changes by.

        Args:
            stack: The App's.
            deployment: As it is now.
            scaling: How often its version was scaled in place by now; 0: it was deployed.
        """
        fingerprint = deployment.fingerprint or ""
        app, app_id, version = deployment.app, deployment.app_id, deployment.version
        path = receipt_path(stack, app, app_id, version, scaling, fingerprint)
        files = {f"{path}/{each.name}={each.image_id}": b"" for each in deployment.endpoints}
        await self._put(f"storing the receipt of {deployment.app}", files)

    async def stop(self, stack: str, name: str, app_id: str) -> None:
        """Stop an App: its containers end, its URL answers no more. Its receipts are destroyed."""
        app = await ask(f"looking for {name}", modal.App.lookup.aio(app_id))
        await ask(f"stopping {name}", app.stop.aio())
        await self._remove(receipts_path(stack, name))

    def _reader(self, stack: str, known: Iterable[Manifest] = ()) -> Reader:
        return Reader(
            target=self.name,
            environment=self.environment,
            stack=stack,
            known={manifest.fingerprint: manifest for manifest in known},
        )

    async def _remove(self, path: str) -> None:
        volume = modal.Volume.from_name(STATE_VOLUME, environment_name=self.environment)
        try:
            await volume.remove_file.aio(path, recursive=True)
        except NOT_FOUND:
            return
        except modal.exception.Error as error:
            raise said(f"removing {path}", error) from error

    async def _put(self, doing: str, files: Mapping[str, bytes]) -> None:
        volume = modal.Volume.from_name(
            STATE_VOLUME, environment_name=self.environment, create_if_missing=True
        )
        try:
            # What is there under a fingerprint is what would be written.
            async with volume.batch_upload.aio(force=True) as batch:
                for path, content in files.items():
                    batch.put_file(io.BytesIO(content), path)
        except modal.exception.Error as error:
            raise said(doing, error) from error


def _import(path: Path) -> ModuleType:
    """The module as `modal deploy` imports it: under its own name, from its file."""
    loader = SourceFileLoader(path.stem, str(path))
    spec = importlib.util.spec_from_loader(path.stem, loader)
    assert spec is not None  # of a loader that knows its file
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    # Not from bytecode, which Python takes for current if the second and the size are the same.
    exec(loader.source_to_code(path.read_bytes(), path), vars(module))
    return module
