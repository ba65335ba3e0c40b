"""Volumes: create, find, list, rename, delete."""

import functools
import json
import sqlite3
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from infra.local import objects
from infra.local.call import Call, Handlers, refuse
from infra.local.environments import environment
from infra.local.objects import VOLUME


def _metadata(row: sqlite3.Row) -> api_pb2.VolumeMetadata:
    return api_pb2.VolumeMetadata(
        version=json.loads(row["detail"])["version"],
        name=row["name"] or "",
        creation_info=objects.creation_info(row),
    )


def _detail(version: int) -> dict[str, Any]:
    return {"version": version or api_pb2.VOLUME_FS_VERSION_V1}


def _get_or_create(
    call: Call, request: api_pb2.VolumeGetOrCreateRequest
) -> api_pb2.VolumeGetOrCreateResponse:
    detail = functools.partial(_detail, request.version)
    row, _ = objects.get_or_create(call, VOLUME, request, detail)
    metadata = _metadata(row)
    return api_pb2.VolumeGetOrCreateResponse(
        volume_id=row["id"], version=metadata.version, metadata=metadata
    )


def _get_by_id(call: Call, request: api_pb2.VolumeGetByIdRequest) -> api_pb2.VolumeGetByIdResponse:
    row = objects.get(call, VOLUME, request.volume_id)
    return api_pb2.VolumeGetByIdResponse(volume_id=row["id"], metadata=_metadata(row))


def _list(call: Call, request: api_pb2.VolumeListRequest) -> api_pb2.VolumeListResponse:
    home = environment(call, request.environment_name)
    return api_pb2.VolumeListResponse(
        environment_name=home["name"],
        items=[
            api_pb2.VolumeListItem(
                label=row["name"],
                volume_id=row["id"],
                created_at=row["created_at"],
                metadata=_metadata(row),
            )
            for row in objects.page(call, VOLUME, home["id"], request.pagination)
        ],
    )


def _rename(call: Call, request: api_pb2.VolumeRenameRequest) -> Empty:
    row = objects.get(call, VOLUME, request.volume_id)
    if objects.find(call, VOLUME, row["environment_id"], request.name):
        refuse(Status.ALREADY_EXISTS, f"Volume {request.name!r} already exists.")
    call.do("UPDATE objects SET name = ? WHERE id = ?", request.name, row["id"])
    return Empty()


def _delete(call: Call, request: api_pb2.VolumeDeleteRequest) -> Empty:
    objects.remove(call, VOLUME, request.volume_id)
    return Empty()


def _commit(call: Call, request: api_pb2.VolumeCommitRequest) -> api_pb2.VolumeCommitResponse:
    objects.get(call, VOLUME, request.volume_id)
    return api_pb2.VolumeCommitResponse(skip_reload=True)


def _reload(call: Call, request: api_pb2.VolumeReloadRequest) -> Empty:
    objects.get(call, VOLUME, request.volume_id)
    return Empty()


def _heartbeat(call: Call, request: api_pb2.VolumeHeartbeatRequest) -> Empty:
    objects.get(call, VOLUME, request.volume_id)
    return Empty()


READS: Handlers = {
    "VolumeCommit": _commit,
    "VolumeGetById": _get_by_id,
    "VolumeHeartbeat": _heartbeat,
    "VolumeList": _list,
    "VolumeReload": _reload,
}
WRITES: Handlers = {
    "VolumeDelete": _delete,
    "VolumeGetOrCreate": _get_or_create,
    "VolumeRename": _rename,
}
