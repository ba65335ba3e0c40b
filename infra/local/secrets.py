"""Secrets: key names in the database, values in their own files."""

import functools
import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from infra.errors import UsageError
from infra.local import objects
from infra.local.call import Call, Handlers, refuse
from infra.local.environments import environment
from infra.local.objects import SECRET, New


def _detail(call: Call, values: Mapping[str, str]) -> dict[str, Any]:
    return {"keys": sorted(values), "file": call.secret_values.write(values)}


def _metadata(call: Call, row: sqlite3.Row) -> api_pb2.SecretMetadata:
    home = call.one("SELECT name FROM environments WHERE id = ?", row["environment_id"])
    assert home is not None
    return api_pb2.SecretMetadata(
        name=row["name"] or "",
        creation_info=objects.creation_info(row),
        keys=json.loads(row["detail"])["keys"],
        environment_name=home["name"],
    )


def _values(call: Call, row: sqlite3.Row) -> dict[str, str]:
    return call.secret_values.read(json.loads(row["detail"])["file"])


def _replace(call: Call, row: sqlite3.Row, values: Mapping[str, str]) -> None:
    detail = json.dumps(_detail(call, values))
    call.do("UPDATE objects SET detail = ? WHERE id = ?", detail, row["id"])
    call.forget_values(json.loads(row["detail"])["file"])


def _of_app(call: Call, request: api_pb2.SecretGetOrCreateRequest) -> sqlite3.Row:
    """An App's unnamed Secret; equal values are one, so that deploying again is no change."""
    values = dict(request.env_dict)
    owned = call.all(
        "SELECT * FROM objects WHERE app_id = ? AND kind = ?", request.app_id, SECRET.label
    )
    for row in owned:
        if json.loads(row["detail"])["keys"] == sorted(values) and _values(call, row) == values:
            return row
    home = environment(call, request.environment_name)
    detail = _detail(call, values)
    new = New(environment_id=home["id"], detail=detail, app_id=request.app_id)
    return objects.add(call, SECRET, new)


def _get_or_create(
    call: Call, request: api_pb2.SecretGetOrCreateRequest
) -> api_pb2.SecretGetOrCreateResponse:
    creation = request.object_creation_type
    if creation == api_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP:
        row = _of_app(call, request)
    else:
        detail = functools.partial(_detail, call, request.env_dict)
        row, is_new = objects.get_or_create(call, SECRET, request, detail)
        overwrite = creation == api_pb2.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS
        if overwrite and not is_new:
            _replace(call, row, request.env_dict)
            row = objects.get(call, SECRET, row["id"])
    missing = sorted(set(request.required_keys) - set(json.loads(row["detail"])["keys"]))
    if missing:
        keys = ", ".join(missing)
        refuse(Status.NOT_FOUND, f"Secret {row['name']!r} is missing key(s): {keys}")
    return api_pb2.SecretGetOrCreateResponse(secret_id=row["id"], metadata=_metadata(call, row))


def put(call: Call, environment_name: str, name: str, values: Mapping[str, str]) -> list[str]:
    """
    Set keys of a Secret, which is made if there is none; the names of all its keys.

    Raises:
        UsageError: There is no such environment.
    """
    known = [each["name"] for each in call.all("SELECT name FROM environments ORDER BY name")]
    if environment_name and environment_name not in known:
        raise UsageError(
            f"{environment_name}: there is no such environment here; {', '.join(known)} can be "
            f"named; run `modal environment create {environment_name}`"
        )
    home = environment(call, environment_name)
    row = objects.find(call, SECRET, home["id"], name)
    if row is None:
        new = New(environment_id=home["id"], name=name, detail=_detail(call, values))
        row = objects.add(call, SECRET, new)
    else:
        _replace(call, row, {**_values(call, row), **values})
    keys: list[str] = json.loads(objects.get(call, SECRET, row["id"])["detail"])["keys"]
    return keys


def _list(call: Call, request: api_pb2.SecretListRequest) -> api_pb2.SecretListResponse:
    home = environment(call, request.environment_name)
    return api_pb2.SecretListResponse(
        environment_name=home["name"],
        items=[
            api_pb2.SecretListItem(
                label=row["name"],
                created_at=row["created_at"],
                environment_name=home["name"],
                secret_id=row["id"],
                metadata=_metadata(call, row),
            )
            for row in objects.page(call, SECRET, home["id"], request.pagination)
        ],
    )


def _get_info(call: Call, request: api_pb2.SecretGetInfoRequest) -> api_pb2.SecretGetInfoResponse:
    row = objects.get(call, SECRET, request.secret_id)
    return api_pb2.SecretGetInfoResponse(metadata=_metadata(call, row))


def _update(call: Call, request: api_pb2.SecretUpdateRequest) -> Empty:
    row = objects.get(call, SECRET, request.secret_id)
    values = _values(call, row)
    for update in request.updates:
        if update.HasField("value"):
            values[update.key] = update.value
        else:
            values.pop(update.key, None)
    _replace(call, row, values)
    return Empty()


def _delete(call: Call, request: api_pb2.SecretDeleteRequest) -> Empty:
    row = objects.remove(call, SECRET, request.secret_id)
    call.forget_values(json.loads(row["detail"])["file"])
    return Empty()


READS: Handlers = {"SecretList": _list, "SecretGetInfo": _get_info}
WRITES: Handlers = {
    "SecretGetOrCreate": _get_or_create,
    "SecretUpdate": _update,
    "SecretDelete": _delete,
}
