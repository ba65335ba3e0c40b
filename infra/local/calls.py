"""The table of all calls that this control plane answers."""

from typing import Any

from modal_proto import api_pb2

from infra.local import (
    app_contents,
    apps,
    containers,
    deployments,
    dicts,
    environments,
    functions,
    images,
    logs,
    mounts,
    scheduling,
    secrets,
    volume_files,
    volumes,
    workspace,
)
from infra.local.call import Handlers

READS: Handlers = {
    **app_contents.READS,
    **apps.READS,
    **containers.READS,
    **deployments.READS,
    **dicts.READS,
    **environments.READS,
    **functions.READS,
    **images.READS,
    **logs.READS,
    **mounts.READS,
    **scheduling.READS,
    **secrets.READS,
    **volume_files.READS,
    **volumes.READS,
    **workspace.READS,
}

# Each of these holds the write lock from start to end and is recorded when it succeeds.
WRITES: Handlers = {
    **app_contents.WRITES,
    **apps.WRITES,
    **containers.WRITES,
    **deployments.WRITES,
    **dicts.WRITES,
    **environments.WRITES,
    **functions.WRITES,
    **images.WRITES,
    **mounts.WRITES,
    **scheduling.WRITES,
    **secrets.WRITES,
    **volume_files.WRITES,
    **volumes.WRITES,
    **workspace.WRITES,
}

_GET_OR_CREATE = (
    "AppGetOrCreate",
    "DictGetOrCreate",
    "EnvironmentGetOrCreate",
    "SecretGetOrCreate",
    "VolumeGetOrCreate",
)


def is_lookup(name: str, request: Any) -> bool:
    """These calls write only when they say what to create."""
    unspecified = api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED
    return name in _GET_OR_CREATE and request.object_creation_type == unspecified
