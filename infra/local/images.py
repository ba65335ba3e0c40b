"""Images: their recipes are kept under a content-derived id; nothing is built."""

import sqlite3

from modal_proto import api_pb2

from infra.local.call import Call, Handlers, not_found
from infra.local.ids import content_id

_SUCCESS = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)


def _image(call: Call, image_id: str) -> sqlite3.Row:
    row = call.one("SELECT * FROM images WHERE id = ?", image_id)
    if row is None:
        not_found(f"Image {image_id!r} not found.")
    return row


def _metadata(row: sqlite3.Row) -> api_pb2.ImageMetadata:
    request = api_pb2.ImageGetOrCreateRequest.FromString(row["request"])
    return api_pb2.ImageMetadata(image_builder_version=request.builder_version)


def _get_or_create(
    call: Call, request: api_pb2.ImageGetOrCreateRequest
) -> api_pb2.ImageGetOrCreateResponse:
    for base in request.image.base_images:
        _image(call, base.image_id)
    recipe = request.image.SerializeToString(deterministic=True)
    image_id = content_id("im", recipe, request.builder_version.encode())
    call.do(
        "INSERT OR IGNORE INTO images VALUES (?, ?, ?)",
        image_id,
        request.SerializeToString(deterministic=True),
        call.now,
    )
    return api_pb2.ImageGetOrCreateResponse(
        image_id=image_id, result=_SUCCESS, metadata=_metadata(_image(call, image_id))
    )


def _join(
    call: Call, request: api_pb2.ImageJoinStreamingRequest
) -> list[api_pb2.ImageJoinStreamingResponse]:
    metadata = _metadata(_image(call, request.image_id))
    return [api_pb2.ImageJoinStreamingResponse(result=_SUCCESS, eof=True, metadata=metadata)]


def _from_id(call: Call, request: api_pb2.ImageFromIdRequest) -> api_pb2.ImageFromIdResponse:
    row = _image(call, request.image_id)
    return api_pb2.ImageFromIdResponse(image_id=row["id"], metadata=_metadata(row))


READS: Handlers = {"ImageFromId": _from_id, "ImageJoinStreaming": _join}
WRITES: Handlers = {"ImageGetOrCreate": _get_or_create}
