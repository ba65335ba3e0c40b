"""What clients asked to change, in order: without secrets' values and files' contents."""

from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from google.protobuf.message import Message
from modal_proto import api_pb2

from infra.local.call import Call
from infra.local.service import request_types
from infra.local.store import Database

# Enough for any look back; without a limit a long-lived plane would grow for ever.
_KEPT = 10_000


def record(call: Call, method: str, request: Message) -> None:
    if isinstance(request, api_pb2.AppHeartbeatRequest):
        return
    body = _harmless(request).SerializeToString(deterministic=True)
    call.do("INSERT INTO requests (method, body) VALUES (?, ?)", method, body)
    call.do("DELETE FROM requests WHERE sequence <= last_insert_rowid() - ?", _KEPT)


def recorded(path: Path, methods: Collection[str]) -> list[Message]:
    types = request_types()
    with closing(Database(path)) as database, database.reading() as connection:
        rows = connection.execute("SELECT method, body FROM requests ORDER BY sequence").fetchall()
    return [
        types[row["method"]].FromString(row["body"])
        for row in rows
        if not methods or row["method"] in methods
    ]


def _harmless(request: Message) -> Message:
    if isinstance(request, api_pb2.SecretGetOrCreateRequest):
        copy = api_pb2.SecretGetOrCreateRequest()
        copy.CopyFrom(request)
        for key in request.env_dict:
            copy.env_dict[key] = ""
        return copy
    if isinstance(request, api_pb2.SecretUpdateRequest):
        updates = [api_pb2.SecretUpdateRequest.Update(key=update.key) for update in request.updates]
        return api_pb2.SecretUpdateRequest(secret_id=request.secret_id, updates=updates)
    if isinstance(request, api_pb2.MountPutFileRequest):
        return api_pb2.MountPutFileRequest(sha256_hex=request.sha256_hex)
    return request
