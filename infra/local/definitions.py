"""Function definitions: what a FunctionCreate call said, and what lookups answer from it."""

import sqlite3
from collections.abc import Iterable, Mapping

import attrs
from modal_proto import api_pb2

from infra.local import ports, urls
from infra.local.call import Call, not_found
from infra.local.ids import content_id

_DATA_FIELDS = api_pb2.FunctionData.DESCRIPTOR.fields_by_name


@attrs.frozen(kw_only=True)
class Definition:
    """
    One definition of a Function.

    Attributes:
        data: Its settings; one ranked function for each GPU choice.
        metadata: What the SDK needs to use it.
    """

    id: str
    function_id: str
    data: api_pb2.FunctionData
    metadata: api_pb2.FunctionHandleMetadata


def meaning(request: api_pb2.FunctionCreateRequest) -> bytes:
    """What a request says of its Function, the same for the same code in any process."""
    said = api_pb2.FunctionCreateRequest(
        function=request.function if request.HasField("function") else None,
        function_data=request.function_data if request.HasField("function_data") else None,
        schedule=request.schedule,
    )
    # The SDK sends a set here: its order differs between two processes.
    for function in functions(said):
        mount_ids = sorted(function.mount_ids)
        del function.mount_ids[:]
        function.mount_ids.extend(mount_ids)
    content: bytes = said.SerializeToString(deterministic=True)
    return content


def save(call: Call, function_id: str, request: api_pb2.FunctionCreateRequest) -> str:
    """Keep a request; its id depends on what it says only, so an equal one is no change."""
    definition_id = content_id("de", function_id.encode(), meaning(request))
    call.do(
        "INSERT OR IGNORE INTO definitions VALUES (?, ?, ?)",
        definition_id,
        function_id,
        request.SerializeToString(deterministic=True),
    )
    data = _data(request)
    if data.HasField("http_config"):
        app = call.one(
            "SELECT apps.* FROM apps JOIN functions ON app_id = apps.id WHERE functions.id = ?",
            function_id,
        )
        assert app is not None
        ports.reserve(call, _place(data, app["environment_id"], app["name"]))
    return definition_id


def load(call: Call, definition_id: str) -> Definition:
    row = call.one(
        "SELECT definitions.*, app_id, environment_id, apps.name AS app_name, web_suffix "
        "FROM definitions JOIN functions ON functions.id = function_id "
        "JOIN apps ON apps.id = app_id JOIN environments ON environments.id = environment_id "
        "WHERE definitions.id = ?",
        definition_id,
    )
    if row is None:
        not_found(f"Function definition {definition_id!r} not found.")
    data = _data(api_pb2.FunctionCreateRequest.FromString(row["request"]))
    _set_urls(call, data, row)
    metadata = handle_metadata(data, row["app_id"])
    metadata.definition_id = definition_id
    metadata.web_url = data.web_url
    metadata._experimental_flash_urls.extend(data.flash_service_urls)
    if data.HasField("class_parameter_info"):
        metadata.class_parameter_info.CopyFrom(data.class_parameter_info)
    for method in metadata.method_handle_metadata.values():
        method.definition_id = definition_id
    return Definition(
        id=definition_id, function_id=row["function_id"], data=data, metadata=metadata
    )


def handle_metadata(
    spec: api_pb2.FunctionData | api_pb2.FunctionPrecreateRequest, app_id: str
) -> api_pb2.FunctionHandleMetadata:
    """What the SDK needs to know of a Function to use it."""
    return api_pb2.FunctionHandleMetadata(
        app_id=app_id,
        function_name=spec.function_name,
        function_type=spec.function_type,
        is_method=False,
        function_schema=spec.function_schema if spec.HasField("function_schema") else None,
        supported_input_formats=spec.supported_input_formats,
        supported_output_formats=spec.supported_output_formats,
        method_handle_metadata=_methods(spec.method_definitions, app_id),
    )


def class_metadata(service: Definition) -> api_pb2.ClassHandleMetadata:
    """A class is its service function; methods are that function's."""
    return api_pb2.ClassHandleMetadata(
        class_function_id=service.function_id, class_function_metadata=service.metadata
    )


def _methods(
    definitions: Mapping[str, api_pb2.MethodDefinition], app_id: str
) -> dict[str, api_pb2.FunctionHandleMetadata]:
    return {
        name: api_pb2.FunctionHandleMetadata(
            app_id=app_id,
            function_name=method.function_name,
            function_type=method.function_type,
            is_method=True,
            use_method_name=name,
            web_url=method.web_url,
            function_schema=method.function_schema if method.HasField("function_schema") else None,
            supported_input_formats=method.supported_input_formats,
            supported_output_formats=method.supported_output_formats,
        )
        for name, method in definitions.items()
    }


def functions(request: api_pb2.FunctionCreateRequest) -> Iterable[api_pb2.Function]:
    """The Function once for each choice of GPU."""
    if request.HasField("function"):
        yield request.function
    for ranked in request.function_data.ranked_functions:
        yield ranked.function


def _data(request: api_pb2.FunctionCreateRequest) -> api_pb2.FunctionData:
    """One shape for both forms of the request: with one GPU choice, and with several in order."""
    if not request.HasField("function"):
        return request.function_data
    shared = {
        field.name: value
        for field, value in request.function.ListFields()
        if field.name in _DATA_FIELDS
    }
    ranked = api_pb2.FunctionData.RankedFunction(rank=0, function=request.function)
    return api_pb2.FunctionData(**shared, ranked_functions=[ranked])


def _place(data: api_pb2.FunctionData, environment_id: str, app_name: str) -> ports.Place:
    regions = data.http_config.proxy_regions
    return ports.place(environment_id, app_name, data.function_name, regions)


def _set_urls(call: Call, data: api_pb2.FunctionData, row: sqlite3.Row) -> None:
    web_suffix, app_name = row["web_suffix"], row["app_name"]
    if data.HasField("http_config"):
        port = ports.port(call, _place(data, row["environment_id"], app_name))
        assert port is not None, "a service has its port from its first definition on"
        data.flash_service_urls.append(urls.service_url(port))
    if data.webhook_config.type != api_pb2.WEBHOOK_TYPE_UNSPECIFIED:
        data.web_url = urls.web_url(web_suffix, app_name, data.function_name)
    for method in data.method_definitions.values():
        if method.webhook_config.type != api_pb2.WEBHOOK_TYPE_UNSPECIFIED:
            method.web_url = urls.web_url(web_suffix, app_name, method.function_name)
