"""`infra local`: a Modal control plane on this machine."""

import shlex

import click

from infra.connection import LOCAL_ROOT
from infra.errors import InfraError


@click.group()
def command() -> None:
    """Run a Modal control plane on this machine."""


@command.command()
@click.option("--port", default=0, help="Port; by default a free one.")
def up(port: int) -> int:
    """Run it in the foreground until Ctrl-C; other commands find it by themselves."""
    import gc

    from infra.local.serving import serve

    gc.enable()  # unlike other commands, this one goes on for days
    return serve(LOCAL_ROOT, port)


@command.command()
def env() -> int:
    """Print the variables that point `modal` at it: eval "$(infra local env)"."""
    from infra.local import running

    environ = running(LOCAL_ROOT)
    if environ is None:
        raise InfraError(
            f"{LOCAL_ROOT}: no control plane is running here; one is needed; run `infra local up`"
        )
    for name, value in environ.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    return 0
