"""Files in Volumes: list, put, get, remove, copy."""

import posixpath
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.local import objects, volume_tree
from infra.local.call import Call, Handlers, invalid, not_found
from infra.local.mounts import require_content
from infra.local.objects import VOLUME
from infra.local.volume_tree import BLOCK_BYTES, File

_DEFAULT_MODE = 0o644


def _mode(file: Any) -> int:
    return file.mode if file.HasField("mode") else _DEFAULT_MODE


def _existing(call: Call, volume_id: str, path: str) -> sqlite3.Row:
    row = volume_tree.entry(call, volume_id, volume_tree.clean(path))
    if row is None:
        not_found(f"No such file or directory: {path!r}")
    return row


def _put_v1(call: Call, request: api_pb2.VolumePutFilesRequest) -> Empty:
    """Files of the first Volume version are one content each."""
    objects.get(call, VOLUME, request.volume_id)
    require_content(call, request.files)
    overwrite = not request.disallow_overwrite_existing_files
    for upload in request.files:
        size = call.blobs.path(upload.sha256_hex).stat().st_size
        segments = [(upload.sha256_hex, offset) for offset in range(0, size, BLOCK_BYTES)]
        file = File(size=size, mode=_mode(upload), segments=segments)
        volume_tree.put(call, request.volume_id, upload.filename, file, overwrite=overwrite)
    return Empty()


def _put_v2(call: Call, request: api_pb2.VolumePutFiles2Request) -> api_pb2.VolumePutFiles2Response:
    """Files of the second version are blocks: the client asks which are missing, then again."""
    objects.get(call, VOLUME, request.volume_id)
    missing: dict[str, api_pb2.VolumePutFiles2Response.MissingBlock] = {}
    for file_index, upload in enumerate(request.files):
        for block_index, block in enumerate(upload.blocks):
            sha256_hex = block.contents_sha256.hex()
            if not call.blobs.has(sha256_hex):
                missing[sha256_hex] = api_pb2.VolumePutFiles2Response.MissingBlock(
                    file_index=file_index,
                    block_index=block_index,
                    put_url=call.links.whole(sha256_hex),
                )
    if missing:
        return api_pb2.VolumePutFiles2Response(missing_blocks=missing.values())
    overwrite = not request.disallow_overwrite_existing_files
    for upload in request.files:
        segments = [(block.contents_sha256.hex(), 0) for block in upload.blocks]
        file = File(size=upload.size, mode=_mode(upload), segments=segments)
        volume_tree.put(call, request.volume_id, upload.path, file, overwrite=overwrite)
    return api_pb2.VolumePutFiles2Response()


def _list(call: Call, request: Any) -> Iterator[api_pb2.FileEntry]:
    objects.get(call, VOLUME, request.volume_id)
    path = volume_tree.clean(request.path)
    if path and not _existing(call, request.volume_id, path)["is_directory"]:
        rows = [_existing(call, request.volume_id, path)]
    elif request.recursive:
        rows = volume_tree.below(call, request.volume_id, path)
    else:
        rows = volume_tree.children(call, request.volume_id, path)
    for row in rows:
        kind = api_pb2.FileEntry.DIRECTORY if row["is_directory"] else api_pb2.FileEntry.FILE
        yield api_pb2.FileEntry(
            path=row["path"], type=kind, mtime=row["modified_at"], size=row["size"]
        )


def _list_v1(
    call: Call, request: api_pb2.VolumeListFilesRequest
) -> list[api_pb2.VolumeListFilesResponse]:
    return [api_pb2.VolumeListFilesResponse(entries=_list(call, request))]


def _list_v2(
    call: Call, request: api_pb2.VolumeListFiles2Request
) -> list[api_pb2.VolumeListFiles2Response]:
    return [api_pb2.VolumeListFiles2Response(entries=_list(call, request))]


def _links(call: Call, segments: Sequence[tuple[str, int]], start: int, end: int) -> Iterator[str]:
    """One link for each block that the range touches."""
    position = start
    while position < end:
        block, skipped = divmod(position, BLOCK_BYTES)
        stop = min(end, (block + 1) * BLOCK_BYTES)
        sha256_hex, offset = segments[block]
        yield call.links.part(sha256_hex, offset=offset + skipped, length=stop - position)
        position = stop


def _get(call: Call, request: api_pb2.VolumeGetFile2Request) -> api_pb2.VolumeGetFile2Response:
    objects.get(call, VOLUME, request.volume_id)
    row = _existing(call, request.volume_id, request.path)
    if row["is_directory"]:
        invalid(f"{request.path!r} is a directory")
    file = volume_tree.content(row)
    end = min(file.size, request.start + request.len) if request.len else file.size
    return api_pb2.VolumeGetFile2Response(
        get_urls=_links(call, file.segments, request.start, end),
        size=file.size,
        start=request.start,
        len=max(0, end - request.start),
    )


def _remove(call: Call, request: Any) -> Empty:
    objects.get(call, VOLUME, request.volume_id)
    row = _existing(call, request.volume_id, request.path)
    if row["is_directory"] and not request.recursive:
        invalid(f"{request.path!r} is a directory; remove it with recursive=True")
    volume_tree.remove(call, request.volume_id, row["path"])
    return Empty()


def _copy(call: Call, request: Any) -> Empty:
    """Like `cp`: into a directory, or to a new name."""
    objects.get(call, VOLUME, request.volume_id)
    destination = volume_tree.clean(request.dst_path)
    target = volume_tree.entry(call, request.volume_id, destination)
    into_directory = (
        not destination
        or request.dst_path.endswith("/")
        or len(request.src_paths) > 1
        or (target is not None and target["is_directory"])
    )
    for path in request.src_paths:
        source = _existing(call, request.volume_id, path)
        if source["is_directory"] and not request.recursive:
            invalid(f"{path!r} is a directory; copy it with recursive=True")
        name = posixpath.basename(source["path"])
        head = posixpath.join(destination, name) if into_directory else destination
        if f"{head}/".startswith(f"{source['path']}/"):
            invalid(f"{path!r} cannot be copied into itself")
        for row in [source, *volume_tree.below(call, request.volume_id, source["path"])]:
            copied = head + row["path"].removeprefix(source["path"])
            if row["is_directory"]:
                volume_tree.make_directories(call, request.volume_id, copied)
            else:
                file = volume_tree.content(row)
                volume_tree.put(call, request.volume_id, copied, file, overwrite=True)
    return Empty()


READS: Handlers = {
    "VolumeGetFile2": _get,
    "VolumeListFiles": _list_v1,
    "VolumeListFiles2": _list_v2,
}
WRITES: Handlers = {
    "VolumeCopyFiles": _copy,
    "VolumeCopyFiles2": _copy,
    "VolumePutFiles": _put_v1,
    "VolumePutFiles2": _put_v2,
    "VolumeRemoveFile": _remove,
    "VolumeRemoveFile2": _remove,
}
