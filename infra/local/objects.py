"""What Volumes, Secrets and Dicts share: a name in an environment, or none."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from grpclib import Status
from modal_proto import api_pb2

from infra.local.call import Call, not_found, refuse
from infra.local.environments import environment
from infra.local.ids import new_id


@attrs.frozen(kw_only=True)
class Kind:
    """
    One kind of object.

    Attributes:
        label: Modal's word for it, as in messages.
        prefix: What its ids begin with.
        hint: How to create one, appended to "not found".
    """

    label: str
    prefix: str
    hint: str


VOLUME = Kind(label="Volume", prefix="vo", hint="modal volume create {name}")
SECRET = Kind(label="Secret", prefix="st", hint="modal secret create {name} KEY=VALUE")
DICT = Kind(label="Dict", prefix="di", hint="modal dict create {name}")


def get(call: Call, kind: Kind, object_id: str) -> sqlite3.Row:
    row = call.one("SELECT * FROM objects WHERE id = ? AND kind = ?", object_id, kind.label)
    if row is None:
        not_found(f"{kind.label} {object_id!r} not found.")
    return row


def find(call: Call, kind: Kind, environment_id: str, name: str) -> sqlite3.Row | None:
    return call.one(
        "SELECT * FROM objects WHERE kind = ? AND environment_id = ? AND name = ?",
        kind.label,
        environment_id,
        name,
    )


@attrs.frozen(kw_only=True)
class New:
    """
    An object to be made.

    Attributes:
        name: None for one that only its id finds.
        app_id: The App that it belongs to and ends with.
        detail: What this kind keeps besides; JSON.
    """

    environment_id: str
    detail: Mapping[str, Any]
    name: str | None = None
    app_id: str | None = None


def add(call: Call, kind: Kind, new: New) -> sqlite3.Row:
    object_id = new_id(kind.prefix)
    call.do(
        "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        object_id,
        kind.label,
        new.environment_id,
        new.name,
        new.app_id,
        call.now,
        call.user,
        json.dumps(new.detail),
    )
    return get(call, kind, object_id)


def get_or_create(
    call: Call, kind: Kind, request: Any, detail: Callable[[], Mapping[str, Any]]
) -> tuple[sqlite3.Row, bool]:
    """The object that a `...GetOrCreate` call asks for; whether it is new."""
    row = environment(call, request.environment_name)
    creation = request.object_creation_type
    if creation == api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL:
        return add(call, kind, New(environment_id=row["id"], detail=detail())), True
    name = request.deployment_name
    existing = find(call, kind, row["id"], name)
    if existing is not None:
        if creation == api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
            refuse(Status.ALREADY_EXISTS, f"{kind.label} {name!r} already exists.")
        return existing, False
    if creation == api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED:
        hint = kind.hint.format(name=name)
        where = f"in environment {row['name']!r}"
        not_found(f"{kind.label} {name!r} not found {where}. You can create it with `{hint}`.")
    new = New(environment_id=row["id"], detail=detail(), name=name)
    return add(call, kind, new), True


def page(call: Call, kind: Kind, environment_id: str, pagination: Any) -> list[sqlite3.Row]:
    """Named objects, newest first, as the SDK asks for them: so many, older than that."""
    return call.all(
        "SELECT * FROM objects WHERE kind = ? AND environment_id = ? AND name IS NOT NULL "
        "AND created_at < ? ORDER BY created_at DESC LIMIT ?",
        kind.label,
        environment_id,
        pagination.created_before or float("inf"),
        pagination.max_objects or -1,
    )


def creation_info(row: sqlite3.Row) -> api_pb2.CreationInfo:
    return api_pb2.CreationInfo(created_at=row["created_at"], created_by=row["created_by"])


def remove(call: Call, kind: Kind, object_id: str) -> sqlite3.Row:
    row = get(call, kind, object_id)
    call.do("DELETE FROM objects WHERE id = ?", object_id)
    return row
