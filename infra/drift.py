"""What somebody changed outside of infra, told with who and when where Modal knows it."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from infra.comparison import (
    changed_images,
    configurations,
    endpoints,
    services,
    strangers,
    with_images,
)
from infra.configuration import recorded
from infra.diff import FieldChange, leaves
from infra.live import Deployment, Live, Stopped
from infra.manifest import Manifest


@attrs.frozen(kw_only=True)
class Drift:
    """
    One object that is not as it was left.

    Attributes:
        address: Such as ``service.qwen3-8b``.
        what: What happened, such as ``autoscaler was overridden``.
        by: Who did it, or empty where Modal does not say.
        at: Seconds since 1970, or None.
        fields: What differs, from the record to what is live.
    """

    address: str
    what: str
    by: str = ""
    at: float | None = None
    fields: tuple[FieldChange, ...] = ()


def app_drift(name: str, live: Live, stack: str, wanted: str | None = None) -> Iterator[Drift]:
    """
    How an App differs from its record.

    Args:
        name: The App's.
        live: The target.
        stack: The App's owner.
        wanted: Fingerprint of what it should be; who went back to that has changed nothing.
    """
    deployment = live.deployments.get(name)
    if deployment is None:
        if name in live.stopped:
            yield _stopped(name, live.stopped[name])
        return
    newest = deployment.newest
    if deployment.stack != stack:
        if deployment.has_receipts:
            what = "was deployed anew outside of infra, without its record"
            yield Drift(address=f"app.{name}", what=what, by=newest.by, at=newest.at)
        return
    if deployment.manifest is None:
        yield Drift(address=f"app.{name}", what=f"lost its record: {deployment.record_problem}")
        return
    if deployment.is_rolled_back and deployment.fingerprint != wanted:
        what = f"was rolled back to v{newest.rolled_back_to}"
        yield Drift(address=f"app.{name}", what=what, by=newest.by, at=newest.at)
    yield from _changed(deployment.manifest, deployment)
    for address in deployment.manifest.resources:
        if live.volumes.get(address.removeprefix("volume.")) is False:
            yield Drift(address=address, what="was deleted")


def _stopped(name: str, stopped: Stopped) -> Drift:
    return Drift(address=f"app.{name}", what="was stopped", by=stopped.by, at=stopped.at)


def _changed(manifest: Manifest, deployment: Deployment) -> Iterator[Drift]:
    newest = deployment.newest
    manifest = with_images(manifest, changed_images(deployment))
    found, now = endpoints(manifest, deployment), configurations(manifest, deployment)
    for address, plain in services(manifest):
        if address not in found:
            yield Drift(address=address, what="is gone", by=newest.by, at=newest.at)
            continue
        fields = [*_fields(plain, now[address])]
        overrides = found[address].overrides
        scaled = tuple(field for field in fields if field.path in overrides)
        deployed = tuple(field for field in fields if field.path not in overrides)
        if deployed:
            yield Drift(
                address=address, what="has changed", by=newest.by, at=newest.at, fields=deployed
            )
        if scaled:
            last = max((overrides[field.path] for field in scaled), key=lambda each: each.at)
            yield Drift(
                address=address,
                what="autoscaler was overridden",
                by=last.by,
                at=last.at,
                fields=scaled,
            )
    for endpoint in strangers(manifest, deployment):
        address = f"service.{endpoint.name}"
        yield Drift(address=address, what="was added", by=newest.by, at=newest.at)


def _fields(plain: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[FieldChange]:
    was, written = recorded(plain), dict(leaves(plain))
    for path in dict.fromkeys([*was, *now]):
        if was.get(path) != now.get(path):
            before = written.get(path, was.get(path))
            yield FieldChange(path=path, before=before, after=now.get(path), drifted=True)
