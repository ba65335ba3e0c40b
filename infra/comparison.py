"""What is recorded of a deployment and what Modal reports of it, brought into the same words."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from infra.configuration import is_readable, recorded
from infra.diff import leaves
from infra.live import Deployment, Endpoint
from infra.manifest import Manifest

Plain = Mapping[str, Any]


def services(manifest: Manifest) -> Iterator[tuple[str, Plain]]:
    """The services of a record by their addresses."""
    for address, plain in manifest.resources.items():
        if address.startswith("service."):
            yield address, plain


def image_of(address: str) -> str:
    """The address of a service's image."""
    return address.replace("service.", "image.", 1)


def endpoints(manifest: Manifest, deployment: Deployment) -> dict[str, Endpoint]:
    """The deployed services by their addresses in a record; one that is gone is missing."""
    by_class = {endpoint.name: endpoint for endpoint in deployment.endpoints}
    classes = {address: plain["class_name"] for address, plain in services(manifest)}
    return {address: by_class[name] for address, name in classes.items() if name in by_class}


def configurations(manifest: Manifest, deployment: Deployment) -> dict[str, dict[str, Any]]:
    """What Modal reports of the services, to be laid beside a record, by its addresses."""
    found = {}
    for address, endpoint in endpoints(manifest, deployment).items():
        plain = manifest.resources[address]
        found[address] = endpoint.beside(recorded(plain))
        if "image id" in plain:
            found[address]["image id"] = endpoint.image_id
    return found


def strangers(manifest: Manifest, deployment: Deployment) -> list[Endpoint]:
    """The deployed services that a record does not hold."""
    known = {plain["class_name"] for _, plain in services(manifest)}
    return [each for each in deployment.endpoints if each.name not in known]


def with_strangers(deployment: Deployment, wanted: Manifest | None) -> Manifest:
    """
    The record, and as Modal reports them the services that it does not hold.

    Of an App whose record can't be had these are all, and nothing else is known.
    """
    empty = Manifest(stack=deployment.stack or "", app=deployment.app, module="", resources={})
    manifest = deployment.manifest or empty
    wishes = dict(services(wanted)) if wanted else {}
    addresses = {plain["class_name"]: address for address, plain in wishes.items()}
    found: dict[str, Plain] = {}
    for each in strangers(manifest, deployment):
        address = addresses.get(each.name, f"service.{each.name}")
        now = _spelled_as(wishes.get(address, {}), each)
        found[address] = {"class_name": each.name, **_nested(now)}
        if address in wishes:
            found[image_of(address)] = {}  # there is one; of which steps, Modal does not tell
    return attrs.evolve(manifest, resources={**manifest.resources, **found})


def changed_images(deployment: Deployment) -> dict[str, str]:
    """By class, the image that infra left where another one is live."""
    if deployment.is_rolled_back:
        return {}  # to a version that may have been built before the last one of the same record
    return {
        each.name: image
        for each in deployment.endpoints
        if (image := deployment.images.get(each.name)) and image != each.image_id
    }


def with_images(manifest: Manifest, images: Mapping[str, str]) -> Manifest:
    """The record with the images of its services' classes."""
    found = {
        address: {**plain, "image id": images[plain["class_name"]]}
        for address, plain in services(manifest)
        if plain["class_name"] in images
    }
    return attrs.evolve(manifest, resources={**manifest.resources, **found})


def with_changed_images(
    deployment: Deployment, before: Manifest, after: Manifest | None
) -> tuple[Manifest, Manifest | None]:
    """
    Both records with the images that infra left, where somebody has replaced them.

    Not so where other steps are wanted: then neither image is the one that will be.
    """
    wanted = after.resources if after else {}
    images = changed_images(deployment)
    for address, plain in services(before):
        image = image_of(address)
        if before.resources.get(image) != wanted.get(image):
            images.pop(plain["class_name"], None)
    return with_images(before, images), with_images(after, images) if after else None


def _spelled_as(wish: Plain, endpoint: Endpoint) -> dict[str, Any]:
    """What Modal reports, in the words of the wish where it is the same: `H100` for `H100:1`."""
    should = recorded(wish)
    now = endpoint.beside(should)
    differs = {path: value for path, value in now.items() if should.get(path) != value}
    same = {path: value for path, value in leaves(wish) if should.get(path) == now.get(path)}
    return differs | {path: value for path, value in same.items() if is_readable(path)}


def _nested(configuration: Plain) -> dict[str, Any]:
    """Paths such as ``routing.region`` as the manifest's nested data."""
    nested: dict[str, Any] = {}
    for path, value in configuration.items():
        outer, found, inner = path.partition(" " if path.startswith("volumes ") else ".")
        if found:
            nested.setdefault(outer, {})[inner] = value
        else:
            nested[path] = value
    return nested
