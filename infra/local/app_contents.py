"""What is in an App: its Functions, Servers and classes."""

import sqlite3

from modal_proto import api_pb2

from infra.local import apps, definitions
from infra.local.call import Call, Handlers, not_found
from infra.local.environments import environment
from infra.local.layout import Layout


def _members(call: Call, layout: Layout) -> dict[str, definitions.Definition]:
    functions = sorted(layout.functions.items())
    return {name: definitions.load(call, pair[1]) for name, pair in functions}


def _metadata(
    call: Call, row: sqlite3.Row, members: dict[str, definitions.Definition]
) -> api_pb2.AppHandleMetadata:
    home = call.one("SELECT name FROM environments WHERE id = ?", row["environment_id"])
    assert home is not None
    servers = {name: member for name, member in members.items() if member.data.is_server}
    return api_pb2.AppHandleMetadata(
        description=row["name"],
        app_id=row["id"],
        environment_name=home["name"],
        lifecycle=apps.lifecycle(call, row),
        functions={
            name: member.function_id for name, member in members.items() if name not in servers
        },
        servers={name: member.function_id for name, member in servers.items()},
    )


def _summary(data: api_pb2.FunctionData) -> api_pb2.AppGetInfoResponse.FunctionInfoSummary:
    gpus = [ranked.function.resources.gpu_config for ranked in data.ranked_functions]
    is_http = data.HasField("http_config")
    is_web = data.webhook_config.type != api_pb2.WEBHOOK_TYPE_UNSPECIFIED
    summary = api_pb2.AppGetInfoResponse.FunctionInfoSummary(
        gpu_config=[gpu for gpu in gpus if gpu.count],
        schedule=data.schedule if data.HasField("schedule") else None,
        web_function=is_web,
        is_sessioned=data.is_sessioned,
    )
    if is_http:
        summary.requires_proxy_auth = not data.http_config.unauthenticated
    elif is_web:
        summary.requires_proxy_auth = data.webhook_config.requires_proxy_auth
    return summary


def _get_or_create(
    call: Call, request: api_pb2.AppGetOrCreateRequest
) -> api_pb2.AppGetOrCreateResponse:
    home = environment(call, request.environment_name)
    row = call.one("SELECT * FROM apps WHERE id = ?", request.app_name)
    row = row or apps.find_live(call, home["id"], request.app_name)
    if row is None and request.object_creation_type:
        state = api_pb2.APP_STATE_DEPLOYED
        row = apps.get(call, apps.add(call, home["name"], request.app_name, state, {}))
    if row is None:
        not_found(f"App {request.app_name!r} not found in environment {home['name']!r}")
    metadata = _metadata(call, row, _members(call, Layout.parse(row["layout"])))
    return api_pb2.AppGetOrCreateResponse(app_id=row["id"], handle_metadata=metadata)


def app_layout(call: Call, layout: Layout) -> api_pb2.AppLayout:
    """A version's contents in the SDK's form."""
    members = _members(call, layout)
    handles = [
        api_pb2.Object(object_id=member.function_id, function_handle_metadata=member.metadata)
        for member in members.values()
    ]
    for name, class_id in layout.classes.items():
        metadata = definitions.class_metadata(members[f"{name}.*"])
        handles.append(api_pb2.Object(object_id=class_id, class_handle_metadata=metadata))
    return api_pb2.AppLayout(
        objects=handles,
        function_ids={name: pair[0] for name, pair in layout.functions.items()},
        class_ids=layout.classes,
    )


def _get_layout(call: Call, request: api_pb2.AppGetLayoutRequest) -> api_pb2.AppGetLayoutResponse:
    row = apps.get(call, request.app_id)
    return api_pb2.AppGetLayoutResponse(app_layout=app_layout(call, Layout.parse(row["layout"])))


def _get_info(call: Call, request: api_pb2.AppGetInfoRequest) -> api_pb2.AppGetInfoResponse:
    row = apps.get(call, request.app_id)
    members = _members(call, Layout.parse(row["layout"]))
    return api_pb2.AppGetInfoResponse(
        info=_metadata(call, row, members),
        function_info_summaries={
            member.function_id: _summary(member.data) for member in members.values()
        },
    )


READS: Handlers = {"AppGetInfo": _get_info, "AppGetLayout": _get_layout}
WRITES: Handlers = {"AppGetOrCreate": _get_or_create}
