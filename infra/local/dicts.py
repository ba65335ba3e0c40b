"""Dicts: opaque keys and values, which are stored as they came and never opened."""

import sqlite3

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.local import objects
from infra.local.call import Call, Handlers
from infra.local.environments import environment
from infra.local.objects import DICT


def _metadata(row: sqlite3.Row) -> api_pb2.DictMetadata:
    return api_pb2.DictMetadata(name=row["name"] or "", creation_info=objects.creation_info(row))


def _value(call: Call, dict_id: str, key: bytes) -> bytes | None:
    objects.get(call, DICT, dict_id)
    row = call.one("SELECT value FROM dict_entries WHERE dict_id = ? AND key = ?", dict_id, key)
    return None if row is None else bytes(row["value"])


def _get_or_create(
    call: Call, request: api_pb2.DictGetOrCreateRequest
) -> api_pb2.DictGetOrCreateResponse:
    row, is_new = objects.get_or_create(call, DICT, request, dict)
    if is_new:
        for entry in request.data:
            call.do("INSERT INTO dict_entries VALUES (?, ?, ?)", row["id"], entry.key, entry.value)
    return api_pb2.DictGetOrCreateResponse(dict_id=row["id"], metadata=_metadata(row))


def _get_by_id(call: Call, request: api_pb2.DictGetByIdRequest) -> api_pb2.DictGetByIdResponse:
    row = objects.get(call, DICT, request.dict_id)
    return api_pb2.DictGetByIdResponse(dict_id=row["id"], metadata=_metadata(row))


def _list(call: Call, request: api_pb2.DictListRequest) -> api_pb2.DictListResponse:
    home = environment(call, request.environment_name)
    return api_pb2.DictListResponse(
        environment_name=home["name"],
        dicts=[
            api_pb2.DictListResponse.DictInfo(
                name=row["name"],
                created_at=row["created_at"],
                dict_id=row["id"],
                metadata=_metadata(row),
            )
            for row in objects.page(call, DICT, home["id"], request.pagination)
        ],
    )


def _update(call: Call, request: api_pb2.DictUpdateRequest) -> api_pb2.DictUpdateResponse:
    objects.get(call, DICT, request.dict_id)
    verb = "IGNORE" if request.if_not_exists else "REPLACE"
    created = 0
    for entry in request.updates:
        created += call.do(
            f"INSERT OR {verb} INTO dict_entries VALUES (?, ?, ?)",
            request.dict_id,
            entry.key,
            entry.value,
        )
    return api_pb2.DictUpdateResponse(created=created > 0)


def _get(call: Call, request: api_pb2.DictGetRequest) -> api_pb2.DictGetResponse:
    value = _value(call, request.dict_id, request.key)
    return api_pb2.DictGetResponse(found=value is not None, value=value)


def _pop(call: Call, request: api_pb2.DictPopRequest) -> api_pb2.DictPopResponse:
    value = _value(call, request.dict_id, request.key)
    call.do("DELETE FROM dict_entries WHERE dict_id = ? AND key = ?", request.dict_id, request.key)
    return api_pb2.DictPopResponse(found=value is not None, value=value)


def _contains(call: Call, request: api_pb2.DictContainsRequest) -> api_pb2.DictContainsResponse:
    found = _value(call, request.dict_id, request.key) is not None
    return api_pb2.DictContainsResponse(found=found)


def _len(call: Call, request: api_pb2.DictLenRequest) -> api_pb2.DictLenResponse:
    objects.get(call, DICT, request.dict_id)
    row = call.one("SELECT count(*) FROM dict_entries WHERE dict_id = ?", request.dict_id)
    assert row is not None
    return api_pb2.DictLenResponse(len=row[0])


def _contents(call: Call, request: api_pb2.DictContentsRequest) -> list[api_pb2.DictEntry]:
    objects.get(call, DICT, request.dict_id)
    return [
        api_pb2.DictEntry(
            key=row["key"] if request.keys else b"", value=row["value"] if request.values else b""
        )
        for row in call.all("SELECT * FROM dict_entries WHERE dict_id = ?", request.dict_id)
    ]


def _clear(call: Call, request: api_pb2.DictClearRequest) -> Empty:
    objects.get(call, DICT, request.dict_id)
    call.do("DELETE FROM dict_entries WHERE dict_id = ?", request.dict_id)
    return Empty()


def _delete(call: Call, request: api_pb2.DictDeleteRequest) -> Empty:
    objects.remove(call, DICT, request.dict_id)
    return Empty()


def _heartbeat(_: Call, __: api_pb2.DictHeartbeatRequest) -> Empty:
    return Empty()


READS: Handlers = {
    "DictContains": _contains,
    "DictContents": _contents,
    "DictGet": _get,
    "DictGetById": _get_by_id,
    "DictHeartbeat": _heartbeat,
    "DictLen": _len,
    "DictList": _list,
}
WRITES: Handlers = {
    "DictClear": _clear,
    "DictDelete": _delete,
    "DictGetOrCreate": _get_or_create,
    "DictPop": _pop,
    "DictUpdate": _update,
}
