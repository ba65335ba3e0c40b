"""Where a deployed service answers."""

from collections.abc import Iterable

WORKSPACE = "local"
_DEFAULT_ROUTING_REGION = "us-east"


def service_urls(
    web_suffix: str, app_name: str, class_name: str, regions: Iterable[str]
) -> list[str]:
    """The URLs of an HTTP service, one for each routing region."""
    label = _label(web_suffix, app_name, class_name)
    return [
        f"https://{label}.{region}.modal.local" for region in (regions or [_DEFAULT_ROUTING_REGION])
    ]


def web_url(web_suffix: str, app_name: str, function_name: str) -> str:
    """The URL of a web endpoint."""
    return f"https://{_label(web_suffix, app_name, function_name)}.modal.local"


def _label(web_suffix: str, app_name: str, name: str) -> str:
    workspace = f"{WORKSPACE}-{web_suffix}" if web_suffix else WORKSPACE
    service = name.removesuffix(".*").replace(".", "-").replace("_", "-")
    return f"{workspace}--{app_name.replace('_', '-').replace('.', '-')}-{service}".lower()
