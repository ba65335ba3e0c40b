"""Files that a deployment uploads, and the Mounts made of them."""

import base64
import hashlib
from collections.abc import Iterable

from grpclib import Status
from modal_proto import api_pb2

from infra.local.blobs import Mismatch
from infra.local.call import Call, Handlers, invalid, not_found, refuse
from infra.local.ids import content_id

# A blob's id holds its content's hash, so nothing needs to be remembered between the calls.
_BLOB_PREFIX = "bl-"


def require_content(call: Call, files: Iterable[api_pb2.MountFile]) -> None:
    """A list of files may name only contents that have arrived."""
    for file in files:
        if not call.blobs.has(file.sha256_hex):
            refuse(Status.FAILED_PRECONDITION, f"the content of {file.filename!r} is not uploaded")


def _put_file(call: Call, request: api_pb2.MountPutFileRequest) -> api_pb2.MountPutFileResponse:
    if request.HasField("data"):
        try:
            call.blobs.put(request.sha256_hex, request.data)
        except Mismatch as error:
            invalid(str(error))
    if request.HasField("data_blob_id"):
        uploaded = request.data_blob_id.removeprefix(_BLOB_PREFIX)
        if uploaded != request.sha256_hex:
            invalid(f"announced {request.sha256_hex}, blob {request.data_blob_id} is {uploaded}")
    return api_pb2.MountPutFileResponse(exists=call.blobs.has(request.sha256_hex))


def _check_existence(
    call: Call, request: api_pb2.MountBatchedCheckExistenceRequest
) -> api_pb2.MountBatchedCheckExistenceResponse:
    missing = [sha for sha in request.sha256_hex_hashes if not call.blobs.has(sha)]
    return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)


def _create_blob(call: Call, request: api_pb2.BlobCreateRequest) -> api_pb2.BlobCreateResponse:
    sha256_hex = base64.b64decode(request.content_sha256_base64, validate=True).hex()
    return api_pb2.BlobCreateResponse(
        blob_ids=[_BLOB_PREFIX + sha256_hex],
        upload_urls=api_pb2.UploadUrlList(items=[call.links.whole(sha256_hex)]),
    )


def _get_blob(call: Call, request: api_pb2.BlobGetRequest) -> api_pb2.BlobGetResponse:
    sha256_hex = request.blob_id.removeprefix(_BLOB_PREFIX)
    if not call.blobs.has(sha256_hex):
        not_found(f"Blob {request.blob_id!r} not found.")
    return api_pb2.BlobGetResponse(download_url=call.links.whole(sha256_hex))


def _get_or_create(
    call: Call, request: api_pb2.MountGetOrCreateRequest
) -> api_pb2.MountGetOrCreateResponse:
    name = request.deployment_name
    if name and request.namespace != api_pb2.DEPLOYMENT_NAMESPACE_GLOBAL:
        not_found(f"Mount {name!r} not found: the local control plane has no named Mounts.")
    require_content(call, request.files)
    # Modal's own Mounts (its client, Python builds) are known here by name alone.
    content = api_pb2.MountGetOrCreateRequest(
        deployment_name=name, files=sorted(request.files, key=lambda file: file.filename)
    ).SerializeToString(deterministic=True)
    mount_id = content_id("mo", content)
    checksum = hashlib.sha256(content).hexdigest()
    call.do("INSERT OR IGNORE INTO mounts VALUES (?, ?, ?)", mount_id, checksum, content)
    return api_pb2.MountGetOrCreateResponse(
        mount_id=mount_id,
        handle_metadata=api_pb2.MountHandleMetadata(content_checksum_sha256_hex=checksum),
    )


READS: Handlers = {
    "BlobCreate": _create_blob,
    "BlobGet": _get_blob,
    "MountBatchedCheckExistence": _check_existence,
}
WRITES: Handlers = {"MountGetOrCreate": _get_or_create, "MountPutFile": _put_file}
