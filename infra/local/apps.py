"""Apps: create, find, tag, stop; which state each is in."""

import json
import sqlite3
from collections import Counter

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.local import tasks
from infra.local.call import Call, Handlers, not_found
from infra.local.environments import environment
from infra.local.ids import new_id

_HEARTBEAT_SECONDS = 60

# These Apps end with the client that made them; the others live on without it.
_CLIENT_BOUND = (api_pb2.APP_STATE_INITIALIZING, api_pb2.APP_STATE_EPHEMERAL)


def get(call: Call, app_id: str) -> sqlite3.Row:
    row = call.one("SELECT * FROM apps WHERE id = ?", app_id)
    if row is None:
        not_found(f"App {app_id!r} not found.")
    return row


def find_live(call: Call, environment_id: str, name: str) -> sqlite3.Row | None:
    return call.one(
        "SELECT * FROM apps WHERE environment_id = ? AND name = ? AND state = ?",
        environment_id,
        name,
        api_pb2.APP_STATE_DEPLOYED,
    )


def live(call: Call, environment_name: str, name: str) -> sqlite3.Row:
    home = environment(call, environment_name)
    row = find_live(call, home["id"], name)
    if row is None:
        not_found(f"App {name!r} not found in environment {home['name']!r}")
    return row


def page_url(row: sqlite3.Row) -> str:
    """There is no dashboard; the SDK prints this after a deployment."""
    return f"local://{row['id']}"


def add(call: Call, environment_name: str, name: str, state: int, tags: dict[str, str]) -> str:
    app_id = new_id("ap")
    call.do(
        "INSERT INTO apps "
        "(id, environment_id, name, state, created_at, created_by, heartbeat_at, tags) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        app_id,
        environment(call, environment_name)["id"],
        name,
        state,
        call.now,
        call.user,
        call.now,
        json.dumps(tags, sort_keys=True),
    )
    return app_id


def _state(call: Call, row: sqlite3.Row) -> tuple[api_pb2.AppState.ValueType, float]:
    """State and time of its end: an App whose client fell silent has stopped."""
    silent = row["heartbeat_at"] + _HEARTBEAT_SECONDS < call.now
    if silent and row["state"] in _CLIENT_BOUND:
        return api_pb2.APP_STATE_STOPPED, row["heartbeat_at"]
    return row["state"], row["stopped_at"]


def _end(call: Call, app_id: str, *, stopped_by: str) -> None:
    call.do(
        "UPDATE apps SET state = ?, stopped_at = ?, stopped_by = ? WHERE id = ?",
        api_pb2.APP_STATE_STOPPED,
        call.now,
        stopped_by,
        app_id,
    )


def lifecycle(call: Call, row: sqlite3.Row) -> api_pb2.AppLifecycle:
    deployment = call.one(
        "SELECT deployed_at, deployed_by FROM deployments WHERE app_id = ? AND version = ?",
        row["id"],
        row["version"],
    )
    state, stopped_at = _state(call, row)
    return api_pb2.AppLifecycle(
        app_state=state,
        created_at=row["created_at"],
        created_by=row["created_by"],
        deployed_at=deployment["deployed_at"] if deployment else 0,
        deployed_by=deployment["deployed_by"] if deployment else "",
        version=row["version"],
        stopped_at=stopped_at,
        stopped_by=row["stopped_by"],
    )


def _create(call: Call, request: api_pb2.AppCreateRequest) -> api_pb2.AppCreateResponse:
    app_id = add(
        call, request.environment_name, request.description, request.app_state, dict(request.tags)
    )
    url = page_url(get(call, app_id))
    return api_pb2.AppCreateResponse(app_id=app_id, app_page_url=url, app_logs_url=url)


def _get_by_name(
    call: Call, request: api_pb2.AppGetByDeploymentNameRequest
) -> api_pb2.AppGetByDeploymentNameResponse:
    home = environment(call, request.environment_name)
    row = find_live(call, home["id"], request.name)
    previous = row or call.one(
        "SELECT * FROM apps WHERE environment_id = ? AND name = ? AND state = ? AND version > 0 "
        "ORDER BY stopped_at DESC",
        home["id"],
        request.name,
        api_pb2.APP_STATE_STOPPED,
    )
    return api_pb2.AppGetByDeploymentNameResponse(
        app_id=row["id"] if row else "",
        previous_app_id=previous["id"] if previous and not row else "",
        environment_name=home["name"],
        lifecycle=lifecycle(call, previous) if previous else None,
    )


def _list(call: Call, request: api_pb2.AppListRequest) -> api_pb2.AppListResponse:
    home = environment(call, request.environment_name)
    response = api_pb2.AppListResponse()
    running = Counter(row["app_id"] for row in tasks.running(call))
    for row in call.all(
        "SELECT * FROM apps WHERE environment_id = ? ORDER BY created_at DESC", home["id"]
    ):
        state, stopped_at = _state(call, row)
        response.apps.add(
            app_id=row["id"],
            description=row["name"],
            name=row["name"],
            state=state,
            created_at=row["created_at"],
            stopped_at=stopped_at,
            n_running_tasks=running[row["id"]],
        )
    return response


def _stop(call: Call, request: api_pb2.AppStopRequest) -> Empty:
    if get(call, request.app_id)["state"] != api_pb2.APP_STATE_STOPPED:
        _end(call, request.app_id, stopped_by=call.user)
    return Empty()


def _disconnect(call: Call, request: api_pb2.AppClientDisconnectRequest) -> Empty:
    if get(call, request.app_id)["state"] in _CLIENT_BOUND:
        _end(call, request.app_id, stopped_by="")
    return Empty()


def _heartbeat(call: Call, request: api_pb2.AppHeartbeatRequest) -> Empty:
    get(call, request.app_id)
    call.do("UPDATE apps SET heartbeat_at = ? WHERE id = ?", call.now, request.app_id)
    return Empty()


def _get_lifecycle(
    call: Call, request: api_pb2.AppGetLifecycleRequest
) -> api_pb2.AppGetLifecycleResponse:
    return api_pb2.AppGetLifecycleResponse(lifecycle=lifecycle(call, get(call, request.app_id)))


def _get_tags(call: Call, request: api_pb2.AppGetTagsRequest) -> api_pb2.AppGetTagsResponse:
    return api_pb2.AppGetTagsResponse(tags=json.loads(get(call, request.app_id)["tags"]))


def _set_tags(call: Call, request: api_pb2.AppSetTagsRequest) -> Empty:
    get(call, request.app_id)
    tags = json.dumps(dict(request.tags), sort_keys=True)
    call.do("UPDATE apps SET tags = ? WHERE id = ?", tags, request.app_id)
    return Empty()


READS: Handlers = {
    "AppGetByDeploymentName": _get_by_name,
    "AppGetLifecycle": _get_lifecycle,
    "AppGetTags": _get_tags,
    "AppList": _list,
}
WRITES: Handlers = {
    "AppClientDisconnect": _disconnect,
    "AppCreate": _create,
    "AppHeartbeat": _heartbeat,
    "AppSetTags": _set_tags,
    "AppStop": _stop,
}
