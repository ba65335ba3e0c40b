"""Versions of an App: publish, history, roll back, roll over, promote."""

import json
import sqlite3

import attrs
from grpclib import Status
from modal_proto import api_pb2

from infra.local import apps
from infra.local.call import Call, Handlers, invalid, refuse
from infra.local.layout import Layout


def _require_created(call: Call, app_id: str, layout: Layout) -> None:
    for name, (function_id, definition_id) in layout.functions.items():
        if not call.one(
            "SELECT 1 FROM definitions JOIN functions ON functions.id = function_id "
            "WHERE definitions.id = ? AND function_id = ? AND app_id = ?",
            definition_id,
            function_id,
            app_id,
        ):
            invalid(f"Function {name!r} ({function_id}) was not created in App {app_id}")
    for name, class_id in layout.classes.items():
        if not call.one("SELECT 1 FROM classes WHERE id = ? AND app_id = ?", class_id, app_id):
            invalid(f"class {name!r} ({class_id}) was not created in App {app_id}")


@attrs.frozen(kw_only=True)
class _Version:
    """
    What the history keeps of one deployment.

    Attributes:
        kind: Modal's DeploymentType.
        source_version: The version whose contents this one has; 0 when it brought its own.
    """

    kind: int
    layout: str
    tags: str
    tag: str
    commit_info: bytes
    source_version: int = 0


def _record(call: Call, app_id: str, version: _Version) -> int:
    """Add it to the history; its number."""
    newest = call.one("SELECT max(version) FROM deployments WHERE app_id = ?", app_id)
    assert newest is not None
    number: int = (newest[0] or 0) + 1
    call.do(
        "INSERT INTO deployments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        app_id,
        number,
        version.kind,
        version.source_version,
        call.now,
        call.user,
        call.client_version,
        version.tag,
        version.commit_info,
        version.tags,
        version.layout,
    )
    return number


def _go_live(call: Call, app_id: str, version: int) -> None:
    """The one place where what lookups see changes, whole."""
    call.do(
        "UPDATE apps SET state = ?, version = ?, layout = d.layout, tags = d.tags "
        "FROM deployments AS d WHERE d.app_id = apps.id AND apps.id = ? AND d.version = ?",
        api_pb2.APP_STATE_DEPLOYED,
        version,
        app_id,
        version,
    )
    # A new version starts from its own static settings.
    call.do(
        "UPDATE functions SET overrides = NULL, overridden_at = 0, overridden_by = '' "
        "WHERE app_id = ?",
        app_id,
    )


def _require_free_name(call: Call, row: sqlite3.Row) -> None:
    other = apps.find_live(call, row["environment_id"], row["name"])
    if other is not None and other["id"] != row["id"]:
        refuse(
            Status.ABORTED,
            f"App {row['name']!r} was deployed meanwhile as {other['id']}; deploy again",
        )


def _changes_nothing(row: sqlite3.Row, layout: str, tags: str, tag: str) -> bool:
    is_live = row["state"] == api_pb2.APP_STATE_DEPLOYED and row["version"] > 0
    return is_live and not tag and (row["layout"], row["tags"]) == (layout, tags)


def _publish(call: Call, request: api_pb2.AppPublishRequest) -> api_pb2.AppPublishResponse:
    row = apps.get(call, request.app_id)
    if row["state"] == api_pb2.APP_STATE_STOPPED:
        refuse(Status.FAILED_PRECONDITION, f"App {row['id']} ({row['name']}) is stopped.")
    published = Layout(
        functions={
            name: (function_id, request.definition_ids[function_id])
            for name, function_id in request.function_ids.items()
        },
        classes=dict(request.class_ids),
    )
    _require_created(call, row["id"], published)
    layout = published.dump()
    tags = json.dumps(dict(request.tags), sort_keys=True)
    url = apps.page_url(row)
    if request.app_state != api_pb2.APP_STATE_DEPLOYED:
        state = request.app_state or row["state"]
        call.do(
            "UPDATE apps SET state = ?, layout = ?, tags = ? WHERE id = ?",
            state,
            layout,
            tags,
            row["id"],
        )
        return api_pb2.AppPublishResponse(url=url, deployed_at=call.now)
    _require_free_name(call, row)
    if not request.staged and _changes_nothing(row, layout, tags, request.deployment_tag):
        return api_pb2.AppPublishResponse(url=url)
    commit_info = request.commit_info.SerializeToString()
    kind = api_pb2.DEPLOYMENT_TYPE_STAGED if request.staged else api_pb2.DEPLOYMENT_TYPE_STANDARD
    version = _Version(
        kind=kind, layout=layout, tags=tags, tag=request.deployment_tag, commit_info=commit_info
    )
    number = _record(call, row["id"], version)
    if not request.staged:
        _go_live(call, row["id"], number)
    return api_pb2.AppPublishResponse(url=url, deployed_at=call.now)


def _again(call: Call, app_id: str, version: int, kind: int) -> str:
    """Deploy what a recorded version held, under a new number."""
    source = call.one("SELECT * FROM deployments WHERE app_id = ? AND version = ?", app_id, version)
    if source is None:
        refuse(Status.FAILED_PRECONDITION, f"App {app_id} has no version {version}.")
    again = _Version(
        kind=kind,
        layout=source["layout"],
        tags=source["tags"],
        tag=source["tag"],
        commit_info=source["commit_info"],
        source_version=version,
    )
    _go_live(call, app_id, _record(call, app_id, again))
    return apps.page_url(apps.get(call, app_id))


def _deployed(call: Call, app_id: str) -> sqlite3.Row:
    row = apps.get(call, app_id)
    if row["state"] != api_pb2.APP_STATE_DEPLOYED:
        refuse(Status.FAILED_PRECONDITION, f"App {app_id} is not deployed.")
    return row


def _rollback(call: Call, request: api_pb2.AppRollbackRequest) -> api_pb2.AppRollbackResponse:
    row = _deployed(call, request.app_id)
    version = request.version
    if version < 0:
        previous = call.one(
            "SELECT max(version) FROM deployments WHERE app_id = ? AND version < ? AND kind != ?",
            row["id"],
            row["version"],
            api_pb2.DEPLOYMENT_TYPE_STAGED,
        )
        version = (previous[0] if previous else None) or 0
    url = _again(call, row["id"], version, api_pb2.DEPLOYMENT_TYPE_ROLLBACK)
    return api_pb2.AppRollbackResponse(url=url, deployed_at=call.now)


def _rollover(call: Call, request: api_pb2.AppRolloverRequest) -> api_pb2.AppRolloverResponse:
    row = _deployed(call, request.app_id)
    url = _again(call, row["id"], row["version"], api_pb2.DEPLOYMENT_TYPE_ROLLOVER)
    return api_pb2.AppRolloverResponse(url=url, deployed_at=call.now)


def _promote(call: Call, request: api_pb2.AppPromoteRequest) -> api_pb2.AppPromoteResponse:
    row = _deployed(call, request.app_id)
    url = _again(call, row["id"], request.version, api_pb2.DEPLOYMENT_TYPE_PROMOTION)
    return api_pb2.AppPromoteResponse(url=url, deployed_at=call.now)


def _history(
    call: Call, request: api_pb2.AppDeploymentHistoryRequest
) -> api_pb2.AppDeploymentHistoryResponse:
    app = apps.get(call, request.app_id)
    rows = call.all(
        "SELECT * FROM deployments WHERE app_id = ? ORDER BY version DESC", request.app_id
    )
    return api_pb2.AppDeploymentHistoryResponse(
        production_app_version=app["version"],
        app_deployment_histories=[
            api_pb2.AppDeploymentHistory(
                app_id=row["app_id"],
                version=row["version"],
                client_version=row["client_version"],
                deployed_at=row["deployed_at"],
                deployed_by=row["deployed_by"],
                tag=row["tag"],
                rollback_version=row["source_version"]
                if row["kind"] == api_pb2.DEPLOYMENT_TYPE_ROLLBACK
                else 0,
                rollback_allowed=row["version"] != app["version"],
                commit_info=api_pb2.CommitInfo.FromString(row["commit_info"]),
                deployment_type=row["kind"],
            )
            for row in rows
        ],
    )


READS: Handlers = {"AppDeploymentHistory": _history}
WRITES: Handlers = {
    "AppPromote": _promote,
    "AppPublish": _publish,
    "AppRollback": _rollback,
    "AppRollover": _rollover,
}
