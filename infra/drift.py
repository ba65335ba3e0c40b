"""What somebody changed outside of infra, told with who and when where Modal knows it."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from infra.configuration import recorded
from infra.diff import FieldChange, leaves
from infra.live import Deployment, Endpoint, Live, Stopped
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


def endpoints(manifest: Manifest, deployment: Deployment) -> dict[str, Endpoint]:
    """The deployed services by their addresses in a manifest; one that is gone is missing."""
    by_class = {endpoint.name: endpoint for endpoint in deployment.endpoints}
    classes = {
        address: plain["class_name"]
        for address, plain in manifest.resources.items()
        if address.startswith("service.")
    }
    return {address: by_class[name] for address, name in classes.items() if name in by_class}


def app_drift(name: str, live: Live, stack: str) -> Iterator[Drift]:
    """How an App differs from its record."""
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
    if newest.rolled_back_to is not None:
        what = f"was rolled back to v{newest.rolled_back_to}"
        yield Drift(address=f"app.{name}", what=what, by=newest.by, at=newest.at)
    yield from _services(deployment.manifest, deployment)
    for address in deployment.manifest.resources:
        if live.volumes.get(address.removeprefix("volume.")) is False:
            yield Drift(address=address, what="was deleted")


def _stopped(name: str, stopped: Stopped) -> Drift:
    return Drift(address=f"app.{name}", what="was stopped", by=stopped.by, at=stopped.at)


def _services(manifest: Manifest, deployment: Deployment) -> Iterator[Drift]:
    found = endpoints(manifest, deployment)
    for address, plain in manifest.resources.items():
        if not address.startswith("service."):
            continue
        if address not in found:
            yield Drift(address=address, what="is gone")
            continue
        endpoint = found[address]
        fields = [*_fields(plain, endpoint.configuration)]
        image = deployment.images.get(endpoint.name)
        if image and endpoint.image_id != image and deployment.newest.rolled_back_to is None:
            fields.append(FieldChange(path="image id", before=image, after=endpoint.image_id))
        if not fields:
            continue
        scaled = [endpoint.overrides[f.path] for f in fields if f.path in endpoint.overrides]
        if len(scaled) == len(fields):
            last = max(scaled, key=lambda override: override.at)
            yield Drift(
                address=address,
                what="autoscaler was overridden",
                by=last.by,
                at=last.at,
                fields=tuple(fields),
            )
        else:
            newest = deployment.newest
            yield Drift(
                address=address,
                what="has changed",
                by=newest.by,
                at=newest.at,
                fields=tuple(fields),
            )


def _fields(plain: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[FieldChange]:
    was, written = recorded(plain), dict(leaves(plain))
    for path in dict.fromkeys([*was, *now]):
        if was.get(path) != now.get(path):
            before = written.get(path, was.get(path))
            yield FieldChange(path=path, before=before, after=now.get(path), drifted=True)
