"""The one workspace, `local`: who calls, settings, list prices."""

import base64
import hashlib
import hmac
import json
from importlib import resources
from typing import Any

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from infra.local.call import Call, Handlers
from infra.local.environments import environment
from infra.local.urls import WORKSPACE

_TOKEN_SECONDS = 3600


def _hello(call: Call, _: Empty) -> api_pb2.ClientHelloResponse:
    builder = environment(call, "")["image_builder_version"]
    return api_pb2.ClientHelloResponse(image_builder_version=builder)


def _name(_: Call, __: Empty) -> api_pb2.WorkspaceNameLookupResponse:
    return api_pb2.WorkspaceNameLookupResponse(workspace_name=WORKSPACE, username=WORKSPACE)


def _token_info(call: Call, _: api_pb2.TokenInfoGetRequest) -> api_pb2.TokenInfoGetResponse:
    return api_pb2.TokenInfoGetResponse(
        token_id=call.token[0],
        workspace_name=WORKSPACE,
        user_identity=api_pb2.UserIdentity(username=call.user),
    )


def _encode(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def _auth_token(call: Call, _: api_pb2.AuthTokenGetRequest) -> api_pb2.AuthTokenGetResponse:
    """A signed JSON web token; the SDK reads its expiry."""

    def encoded(fields: dict[str, Any]) -> bytes:
        return _encode(json.dumps(fields).encode())

    claims = {"sub": call.token[0], "exp": int(call.now) + _TOKEN_SECONDS}
    signed = encoded({"alg": "HS256", "typ": "JWT"}) + b"." + encoded(claims)
    signature = hmac.digest(call.token[1].encode(), signed, hashlib.sha256)
    return api_pb2.AuthTokenGetResponse(token=(signed + b"." + _encode(signature)).decode())


def _settings(call: Call, _: Empty) -> api_pb2.WorkspaceSettingsResponse:
    home = environment(call, "")
    return api_pb2.WorkspaceSettingsResponse(
        default_environment_name=home["name"], image_builder_version=home["image_builder_version"]
    )


def _set_default_environment(
    call: Call, request: api_pb2.WorkspaceSetDefaultEnvironmentRequest
) -> Empty:
    home = environment(call, request.environment_name)
    call.do("UPDATE environments SET is_default = (id = ?)", home["id"])
    return Empty()


def _billing_rates(
    _: Call, __: api_pb2.WorkspaceBillingRatesRequest
) -> api_pb2.WorkspaceBillingRatesResponse:
    text = resources.files("infra.local").joinpath("rates.json").read_text(encoding="utf-8")
    prices = json.loads(text)
    lines = [f"{name}: {rate}" for name, rate in prices["rates"].items()]
    source = f"List prices of {prices['date']}: {prices['source']}"
    return api_pb2.WorkspaceBillingRatesResponse(
        rates=prices["rates"], formatted="\n".join([source, *lines])
    )


READS: Handlers = {
    "AuthTokenGet": _auth_token,
    "ClientHello": _hello,
    "TokenInfoGet": _token_info,
    "WorkspaceBillingRates": _billing_rates,
    "WorkspaceNameLookup": _name,
    "WorkspaceSettings": _settings,
}
WRITES: Handlers = {"WorkspaceSetDefaultEnvironment": _set_default_environment}
