"""Environments of the one workspace."""

import json
import sqlite3

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from infra.local.call import Call, Handlers, invalid, not_found, refuse
from infra.local.ids import new_id


def environment(call: Call, name: str) -> sqlite3.Row:
    """The environment of this name; the empty name is the default one."""
    if name:
        row = call.one("SELECT * FROM environments WHERE name = ?", name)
    else:
        row = call.one("SELECT * FROM environments WHERE is_default")
    if row is None:
        not_found(f"Environment {name!r} not found.")
    return row


def _add(call: Call, name: str) -> None:
    call.do(
        "INSERT INTO environments VALUES (?, ?, ?, ?, ?, 0)",
        new_id("en"),
        name,
        name,
        environment(call, "")["image_builder_version"],
        call.now,
    )


def _exists(call: Call, name: str) -> bool:
    return call.one("SELECT 1 FROM environments WHERE name = ?", name) is not None


def _get_or_create(
    call: Call, request: api_pb2.EnvironmentGetOrCreateRequest
) -> api_pb2.EnvironmentGetOrCreateResponse:
    create = request.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
    if create and not _exists(call, request.deployment_name):
        _add(call, request.deployment_name)
    row = environment(call, request.deployment_name)
    settings = api_pb2.EnvironmentSettings(
        image_builder_version=row["image_builder_version"], webhook_suffix=row["web_suffix"]
    )
    return api_pb2.EnvironmentGetOrCreateResponse(
        environment_id=row["id"],
        metadata=api_pb2.EnvironmentMetadata(name=row["name"], settings=settings),
    )


def _list(call: Call, _: Empty) -> api_pb2.EnvironmentListResponse:
    return api_pb2.EnvironmentListResponse(
        items=[
            api_pb2.EnvironmentListItem(
                name=row["name"],
                webhook_suffix=row["web_suffix"],
                created_at=row["created_at"],
                default=bool(row["is_default"]),
                environment_id=row["id"],
                image_builder_version=row["image_builder_version"],
            )
            for row in call.all("SELECT * FROM environments ORDER BY created_at")
        ]
    )


def _create(call: Call, request: api_pb2.EnvironmentCreateRequest) -> Empty:
    if _exists(call, request.name):
        refuse(Status.ALREADY_EXISTS, f"Environment {request.name!r} already exists.")
    _add(call, request.name)
    return Empty()


def _update(call: Call, request: api_pb2.EnvironmentUpdateRequest) -> api_pb2.EnvironmentListItem:
    row = environment(call, request.current_name)
    name = request.name.value if request.HasField("name") else row["name"]
    suffix = request.web_suffix.value if request.HasField("web_suffix") else row["web_suffix"]
    builder = request.image_builder_version or row["image_builder_version"]
    if name != row["name"] and _exists(call, name):
        refuse(Status.ALREADY_EXISTS, f"Environment {name!r} already exists.")
    call.do(
        "UPDATE environments SET name = ?, web_suffix = ?, image_builder_version = ? WHERE id = ?",
        name,
        suffix,
        builder,
        row["id"],
    )
    return api_pb2.EnvironmentListItem(
        name=name, webhook_suffix=suffix, environment_id=row["id"], created_at=row["created_at"]
    )


def _delete(call: Call, request: api_pb2.EnvironmentDeleteRequest) -> Empty:
    row = environment(call, request.name)
    if row["is_default"]:
        invalid(f"Environment {row['name']!r} is the default one and cannot be deleted.")
    for secret in call.all(
        "SELECT detail FROM objects WHERE kind = 'Secret' AND environment_id = ?", row["id"]
    ):
        call.forget_values(json.loads(secret["detail"])["file"])
    call.do("DELETE FROM environments WHERE id = ?", row["id"])
    return Empty()


READS: Handlers = {"EnvironmentList": _list}
WRITES: Handlers = {
    "EnvironmentGetOrCreate": _get_or_create,
    "EnvironmentCreate": _create,
    "EnvironmentUpdate": _update,
    "EnvironmentDelete": _delete,
}
