"""Where a deployed service answers."""

WORKSPACE = "local"


def service_url(port: int) -> str:
    """The URL of an HTTP service; on this machine, all of its routing regions share it."""
    return f"http://127.0.0.1:{port}"


def web_url(web_suffix: str, app_name: str, function_name: str) -> str:
    """The name of a web endpoint; nothing answers there, as Functions do not run here."""
    workspace = f"{WORKSPACE}-{web_suffix}" if web_suffix else WORKSPACE
    names = (each.replace("_", "-").replace(".", "-") for each in (app_name, function_name))
    return f"https://{workspace}--{'-'.join(names)}.modal.local".lower()
