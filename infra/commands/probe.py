"""`infra probe`: calls a deployed service as its users do."""

import asyncio
import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from infra.commands.options import ENVIRONMENT, JSON, TARGET, Seconds
from infra.commands.probe_screen import Waiting, bar, streamed
from infra.commands.probe_service import at, deployed
from infra.errors import InfraError, UsageError

if TYPE_CHECKING:
    from infra.probing.load import Tally
    from infra.probing.probe import Probe
    from infra.probing.readiness import Ready
    from infra.probing.report import Chats
    from infra.probing.services import Service

_PROMPT = "What does a key-value cache do for a language model?"
_DURATION = 30.0  # seconds
_AT_LEAST_ONE = click.IntRange(min=1)


@click.command()
@click.argument("words", metavar="[STACK] [SERVICE]", nargs=-1)
@TARGET
@ENVIRONMENT
@click.option("--url", help="Call this address in place of a stack's service.")
@click.option("--prompt", default=_PROMPT, show_default=True, help="What to ask.")
@click.option(
    "--max-tokens", type=_AT_LEAST_ONE, default=256, show_default=True, help="Of each answer."
)
@click.option(
    "--timeout",
    type=Seconds(),
    help="How long to wait for a replica; by default the service's startup_timeout.",
)
@click.option("--concurrency", type=_AT_LEAST_ONE, help="Then ask so many at once, on and on.")
@click.option("--duration", type=Seconds(), help="For how long; by default 30s.")
@JSON
def command(
    words: tuple[str, ...],
    target: str | None,
    environment: str | None,
    url: str | None,
    prompt: str,
    max_tokens: int,
    timeout: float | None,
    concurrency: int | None,
    duration: float | None,
    as_json: bool,
) -> int:
    """
    Call a deployed service as its users do, and measure it.

    Waits for a replica, streams a chat, goes on with it to see whether its turns meet one replica,
    and with --concurrency puts load on it; if a request fails, the exit code is 1. STACK is that of
    the last plan unless given; SERVICE may be left out where only one is deployed.

    A server behind Modal's proxy token takes it from MODAL_PROXY_TOKEN_ID and
    MODAL_PROXY_TOKEN_SECRET. Times in JSON are in seconds.
    """
    import gc

    from infra.probing import report
    from infra.probing.failures import Failed
    from infra.probing.load import Tally
    from infra.probing.probe import Probe

    gc.enable()  # unlike other commands, this one may go on for hours
    _check_times(timeout, concurrency, duration)
    if url is None:
        service, headers = deployed(words, target, environment, quiet=as_json)
    else:
        service, headers = at(url, words, target, environment)
    probe = Probe(service=service, headers=headers, prompt=prompt, max_tokens=max_tokens)
    tally = Tally() if concurrency else None
    try:
        chats = _meet(probe, timeout or service.startup_timeout, quiet=as_json)
        if tally is not None and concurrency:
            _strain(probe, chats, concurrency, duration or _DURATION, tally, quiet=as_json)
    except Failed as failed:
        raise InfraError(f"{service.name or service.url}: {failed.so}; {failed.advice}") from failed
    if as_json:
        click.echo(json.dumps(report.document(chats, tally, concurrency), indent=2))
    return InfraError.exit_code if tally and tally.failures else 0


def _check_times(timeout: float | None, concurrency: int | None, duration: float | None) -> None:
    for option, seconds in (("--timeout", timeout), ("--duration", duration)):
        if seconds == 0:
            raise UsageError(
                f"{option}: {seconds:g} is no time to wait; more than 0s is allowed; write 30s"
            )
    if duration is not None and concurrency is None:
        raise UsageError(
            "--duration: there is no load without a number of requests at once; both are allowed; "
            "write --concurrency 8, too"
        )


def _meet(probe: "Probe", timeout: float, *, quiet: bool) -> "Chats":
    """Wait and chat; on the screen as it happens, unless it is to be quiet."""
    from infra.probing import report

    def is_ready(ready: "Ready") -> None:
        waiting.end()
        if not quiet:
            click.echo(report.ready_text(ready) + "\n")

    if not quiet:
        click.echo(report.title(probe.service))
    with Waiting() as waiting, nullcontext() if quiet else streamed() as show:
        chats = asyncio.run(
            probe.meet(
                timeout=timeout,
                waits=waiting.tell,
                check=_crashes(probe.service),
                is_ready=is_ready,
                show=show,
            )
        )
    if not quiet:
        click.echo("\n" + report.chats_text(chats))
    return chats


def _crashes(service: "Service") -> Callable[[], None]:
    """What raises when waiting is in vain; only a rehearsal tells that."""
    from infra.connection import LOCAL_ROOT
    from infra.probing.crashes import watch

    return watch(LOCAL_ROOT, service.url) if service.target == "local" else lambda: None


def _strain(
    probe: "Probe",
    chats: "Chats",
    concurrency: int,
    duration: float,
    tally: "Tally",
    *,
    quiet: bool,
) -> None:
    """Put load on the service; whoever interrupts it gets the figures so far."""
    from infra.probing import report

    try:
        with bar(duration) as tell:
            asyncio.run(
                probe.strain(
                    chats, concurrency=concurrency, duration=duration, tally=tally, tell=tell
                )
            )
    finally:
        if not quiet:
            click.echo("\n" + report.load_text(tally, concurrency))
