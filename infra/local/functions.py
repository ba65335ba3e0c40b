"""Functions and classes: created as definitions, found only once their App is published."""

import sqlite3

from modal_proto import api_pb2

from infra.local import apps, definitions
from infra.local.call import Call, Handlers, not_found
from infra.local.definitions import Definition
from infra.local.ids import content_id, new_id
from infra.local.layout import Layout


def live(call: Call, function_id: str) -> Definition:
    """The published definition of a Function."""
    row = call.one(
        "SELECT layout FROM functions JOIN apps ON apps.id = app_id WHERE functions.id = ?",
        function_id,
    )
    definition_id = Layout.parse(row["layout"]).definition_id(function_id) if row else None
    if definition_id is None:
        not_found(f"Function {function_id!r} not found.")
    return definitions.load(call, definition_id)


def _add(call: Call, function_id: str, app_id: str, name: str, *, is_builder: bool) -> None:
    call.do(
        "INSERT OR IGNORE INTO functions (id, app_id, name, is_builder) VALUES (?, ?, ?, ?)",
        function_id,
        app_id,
        name,
        is_builder,
    )


def _function_id(call: Call, app_id: str, name: str) -> str:
    """The id of this name in this App: one for all its versions."""
    row = call.one(
        "SELECT id FROM functions WHERE app_id = ? AND name = ? AND NOT is_builder", app_id, name
    )
    if row is not None:
        return str(row["id"])
    function_id = new_id("fu")
    _add(call, function_id, app_id, name, is_builder=False)
    return function_id


def _precreate(
    call: Call, request: api_pb2.FunctionPrecreateRequest
) -> api_pb2.FunctionPrecreateResponse:
    apps.get(call, request.app_id)
    return api_pb2.FunctionPrecreateResponse(
        function_id=_function_id(call, request.app_id, request.function_name),
        handle_metadata=definitions.handle_metadata(request, request.app_id),
    )


def _create(call: Call, request: api_pb2.FunctionCreateRequest) -> api_pb2.FunctionCreateResponse:
    apps.get(call, request.app_id)
    function = next(iter(definitions.functions(request)))
    name = function.function_name
    if function.is_builder_function:
        # A build step has no name to be found by; two of them may be called alike.
        function_id = content_id("fu", request.app_id.encode(), definitions.meaning(request))
        _add(call, function_id, request.app_id, name, is_builder=True)
    else:
        function_id = _function_id(call, request.app_id, name)
    definition = definitions.load(call, definitions.save(call, function_id, request))
    return api_pb2.FunctionCreateResponse(
        function_id=function_id,
        function=definition.data.ranked_functions[0].function,
        function_data=definition.data,
        handle_metadata=definition.metadata,
    )


def _named(call: Call, app: sqlite3.Row, name: str, version: int) -> Definition:
    layout = app["layout"]
    if version and version != app["version"]:
        row = call.one(
            "SELECT layout FROM deployments WHERE app_id = ? AND version = ?", app["id"], version
        )
        if row is None:
            not_found(f"App {app['name']!r} has no version {version}.")
        layout = row["layout"]
    pair = Layout.parse(layout).functions.get(name)
    if pair is None:
        not_found(f"App {app['name']!r} has no Function {name!r}")
    return definitions.load(call, pair[1])


def _get(call: Call, request: api_pb2.FunctionGetRequest) -> api_pb2.FunctionGetResponse:
    app = apps.live(call, request.environment_name, request.app_name)
    definition = _named(call, app, request.object_tag, request.app_version)
    return api_pb2.FunctionGetResponse(
        function_id=definition.function_id,
        handle_metadata=definition.metadata,
        function=definition.data,
    )


def _get_by_id(
    call: Call, request: api_pb2.FunctionGetByIdRequest
) -> api_pb2.FunctionGetByIdResponse:
    definition = live(call, request.function_id)
    return api_pb2.FunctionGetByIdResponse(
        function=definition.data, handle_metadata=definition.metadata
    )


def _create_class(call: Call, request: api_pb2.ClassCreateRequest) -> api_pb2.ClassCreateResponse:
    apps.get(call, request.app_id)
    class_id = request.existing_class_id or new_id("cs")
    call.do("INSERT OR IGNORE INTO classes VALUES (?, ?)", class_id, request.app_id)
    return api_pb2.ClassCreateResponse(
        class_id=class_id, handle_metadata=api_pb2.ClassHandleMetadata()
    )


def _get_class(call: Call, request: api_pb2.ClassGetRequest) -> api_pb2.ClassGetResponse:
    app = apps.live(call, request.environment_name, request.app_name)
    class_id = Layout.parse(app["layout"]).classes.get(request.object_tag)
    if class_id is None:
        not_found(f"App {app['name']!r} has no class {request.object_tag!r}")
    service = _named(call, app, f"{request.object_tag}.*", app["version"])
    return api_pb2.ClassGetResponse(
        class_id=class_id, handle_metadata=definitions.class_metadata(service)
    )


READS: Handlers = {
    "ClassGet": _get_class,
    "FunctionGet": _get,
    "FunctionGetById": _get_by_id,
}
WRITES: Handlers = {
    "ClassCreate": _create_class,
    "FunctionCreate": _create,
    "FunctionPrecreate": _precreate,
}
