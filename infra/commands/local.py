"""`infra local`: rehearse on this machine what Modal would run."""

import os
import shlex
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import attrs
import click

from infra.commands.options import JSON
from infra.connection import LOCAL_ROOT
from infra.errors import InfraError, UsageError

_NOT_RUNNING = f"Nothing runs in {LOCAL_ROOT}; `infra local up` starts it."


@click.group()
def command() -> None:
    """Rehearse on this machine what would run on Modal."""


@command.command()
@click.option("--detach", "-d", is_flag=True, help="Return when one serves; it runs on.")
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    help="Port of the control plane; by default a free one.",
)
def up(detach: bool, port: int) -> None:
    """Serve until Ctrl-C; other commands find it by themselves."""
    _check_speed()
    if detach:
        _up_detached(port)
        return
    import gc

    from infra.local.serving import serve

    gc.enable()  # unlike other commands, this one goes on for days
    serve(LOCAL_ROOT, port)


def _check_speed() -> None:
    """Refuse what every replica's engine would refuse."""
    from infra.local.engine.clock import SPEED, read_speed

    try:
        read_speed(os.environ.get(SPEED, ""))
    except ValueError as error:
        raise UsageError(f"{error}; set it anew, or unset it") from error


def _up_detached(port: int) -> None:
    from infra.local import control, detached, report
    from infra.local.endpoint import serving

    endpoint = serving(LOCAL_ROOT)
    if endpoint is not None:
        now = control.status(endpoint)
        if port in (0, urlsplit(now.url).port):
            click.echo(report.summary(now))
            click.echo(f"It runs already, as process {now.pid}.")
            return
    click.echo(report.summary(control.status(detached.start(LOCAL_ROOT, port))))
    click.echo(f"It runs on, and tells more in {LOCAL_ROOT / detached.LOG}.")


@command.command()
def down() -> None:
    """
    Stop what `up` has started.

    What is deployed comes back with the next one.
    """
    from infra.local import control, report
    from infra.local.endpoint import serving, wait_gone

    endpoint = serving(LOCAL_ROOT)
    if endpoint is None:
        click.echo(_NOT_RUNNING)
        return
    before = control.stop(endpoint)
    click.echo(report.stopping(before) if before else "Stopping a daemon of another version")
    wait_gone(LOCAL_ROOT)
    click.echo("Stopped.")


@command.command()
@JSON
def status(as_json: bool) -> None:
    """Show what is deployed here, and what goes on in it."""
    import json

    from infra.local import control, report
    from infra.local.endpoint import serving
    from infra.timestamps import timestamp

    endpoint = serving(LOCAL_ROOT)
    if endpoint is None:
        click.echo(json.dumps({"running": False}) if as_json else _NOT_RUNNING)
        return
    now = control.status(endpoint)
    whole = {"running": True, **attrs.asdict(now), "since": timestamp(now.since)}
    click.echo(json.dumps(whole, indent=2) if as_json else report.status_text(now))


@command.command()
@click.argument("service", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@click.option(
    "--lines", "-n", default=100, show_default=True, type=click.IntRange(min=0), help="How many."
)
def logs(service: str | None, follow: bool, lines: int) -> None:
    """
    Print what replicas have printed.

    That is of all services, or of a class or an App.
    """
    from infra.local.printed import printed

    if not (LOCAL_ROOT / "state.db").exists():
        click.echo(_NOT_RUNNING)
        return
    for line in printed(LOCAL_ROOT, service, last=lines, follow=follow):
        click.echo(line)


@command.command()
def env() -> None:
    """
    Print the variables that point `modal` and callers here.

    A shell takes them with: eval "$(infra local env)"
    """
    from infra.local import running

    environ = running(LOCAL_ROOT)
    if environ is None:
        raise InfraError(
            f"{LOCAL_ROOT}: no control plane is running here; one is needed; run `infra local up`"
        )
    for name, value in environ.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@command.group()
def secret() -> None:
    """Give Secrets their values on this machine."""


@secret.command("set")
@click.argument("name")
@click.argument("values", metavar="KEY[=VALUE]...", nargs=-1, required=True)
@click.option("-e", "--env", "environment", default="", help="Modal environment.")
def set_values(name: str, values: tuple[str, ...], environment: str) -> None:
    """
    Set keys of a Secret, which is made if there is none.

    A KEY without a value is asked for, or read from standard input, a line each.
    """
    from infra.local import offline, secrets

    if problems := [*_problems(name, values)]:
        raise UsageError("\n".join(problems))
    given = dict(_pairs(values))
    LOCAL_ROOT.mkdir(mode=0o700, parents=True, exist_ok=True)
    with offline.writing(LOCAL_ROOT) as call:
        keys = secrets.put(call, environment, name, given)
    click.echo(f"Secret {name} has {', '.join(keys)}; replicas get them when they start.")


def _problems(name: str, values: tuple[str, ...]) -> Iterator[str]:
    """What Modal would refuse, or no process could have in its environment."""
    import re

    from infra.validators import NAME, VARIABLE

    if not re.fullmatch(NAME.pattern, name):
        yield f"{name!r}: it is no name of a Secret; {NAME.words} is allowed; write my-secret"
    for each in values:
        key = each.partition("=")[0]
        if not re.fullmatch(VARIABLE.pattern, key):
            yield (
                f"{name}: {key!r} is no name of an environment variable; letters, digits and _, no "
                "digit first, are allowed; write MY_KEY=VALUE"
            )


def _pairs(values: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for each in values:
        key, has_value, value = each.partition("=")
        if not has_value:
            value = _ask(key)
        yield key, value


def _ask(key: str) -> str:
    """A value that is not shown on the screen and not kept in the shell's history."""
    if sys.stdin.isatty():
        value: str = click.prompt(key, hide_input=True)
        return value
    value = sys.stdin.readline().rstrip("\n")
    if not value:
        raise UsageError(f"{key}: standard input has no line for it; one is needed; write one")
    return value
