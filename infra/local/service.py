"""Every call of Modal's API with its types, whether this control plane answers it or not."""

from collections.abc import Mapping

from google.protobuf.message import Message
from grpclib.const import Handler
from modal_proto.api_grpc import ModalClientBase


class _AnyMethod:
    """Stands for an implementation: the generated mapping only looks its methods up."""

    def __getattr__(self, name: str) -> None:
        return None


def calls() -> Mapping[str, Handler]:
    """Name, path and types, by path."""
    mapping: Mapping[str, Handler] = ModalClientBase.__mapping__(_AnyMethod())  # type: ignore[arg-type]  # see _AnyMethod
    return mapping


def name_of(path: str) -> str:
    return path.rpartition("/")[2]


def request_types() -> dict[str, type[Message]]:
    return {name_of(path): handler.request_type for path, handler in calls().items()}
