"""All that one replica of a service needs, as it was when this version was deployed."""

import json
import posixpath
from collections.abc import Iterator, Mapping

import attrs
from modal_proto import api_pb2

from infra.local import app_contents, definitions, objects
from infra.local.call import Call, invalid, not_found
from infra.local.image_recipes import Recipe, read_recipe
from infra.local.layout import Layout
from infra.local.objects import SECRET, VOLUME
from infra.local.services import ServiceVersion


@attrs.frozen(kw_only=True)
class UploadedFile:
    """
    A file that the deployment uploaded.

    Attributes:
        path: Where the module expects it.
        sha256_hex: Its content.
    """

    path: str
    sha256_hex: str
    mode: int


@attrs.frozen(kw_only=True)
class VolumeMount:
    """
    A Volume and where the module expects it.

    Attributes:
        folder: The part of the Volume that is mounted; empty is all of it.
    """

    path: str
    volume_id: str
    folder: str
    read_only: bool


@attrs.frozen(kw_only=True)
class Blueprint:
    """
    What a replica is made of.

    Attributes:
        function: The class, as the deployment defined it.
        layout: The App around it; Modal's runtime looks its objects up there.
        recipe: What of the Image a replica follows.
        environment: The Image's variables, then the Secrets'.
    """

    function: api_pb2.Function
    layout: api_pb2.AppLayout
    recipe: Recipe
    environment: Mapping[str, str]
    files: tuple[UploadedFile, ...]
    volumes: tuple[VolumeMount, ...]


def read_blueprint(call: Call, service: ServiceVersion) -> Blueprint:
    function = definitions.load(call, service.definition_id).data.ranked_functions[0].function
    if function.http_config.HasField("lift_and_shift_config"):
        invalid("its Image's own command serves it; Images are not built here")
    recipe = read_recipe(call, function.image_id)
    environment = dict(recipe.environment)
    for secret_id in function.secret_ids:
        file = json.loads(objects.get(call, SECRET, secret_id)["detail"])["file"]
        environment |= call.secret_values.read(file)
    uploads = [*recipe.files, *((mount_id, "/") for mount_id in function.mount_ids)]
    return Blueprint(
        function=function,
        layout=_layout(call, service, function),
        recipe=recipe,
        environment=environment,
        files=tuple(file for upload in uploads for file in _files(call, *upload)),
        volumes=tuple(
            VolumeMount(
                path=mount.mount_path,
                volume_id=objects.get(call, VOLUME, mount.volume_id)["id"],
                folder=mount.sub_path.strip("/"),
                read_only=mount.read_only,
            )
            for mount in function.volume_mounts
        ),
    )


def _layout(call: Call, service: ServiceVersion, function: api_pb2.Function) -> api_pb2.AppLayout:
    """This version's: the live one may be another."""
    row = call.one(
        "SELECT layout FROM deployments WHERE app_id = ? AND version = ?",
        service.app_id,
        service.version,
    )
    if row is None:
        not_found(f"App {service.app_name!r} has no version {service.version}.")
    layout = app_contents.app_layout(call, Layout.parse(row["layout"]))
    known = {each.object_id for each in layout.objects}
    # The runtime looks every dependency up; Functions and classes are the only ones with more
    # than an id, and they are there already.
    layout.objects.extend(
        api_pb2.Object(object_id=dependency.object_id)
        for dependency in function.object_dependencies
        if dependency.object_id not in known
    )
    return layout


def _files(call: Call, mount_id: str, destination: str) -> Iterator[UploadedFile]:
    row = call.one("SELECT files FROM mounts WHERE id = ?", mount_id)
    if row is None:
        not_found(f"Mount {mount_id!r} not found.")
    for file in api_pb2.MountGetOrCreateRequest.FromString(row["files"]).files:
        yield UploadedFile(
            path=posixpath.normpath(posixpath.join(destination, file.filename.lstrip("/"))),
            sha256_hex=file.sha256_hex,
            mode=file.mode or 0o644,
        )
