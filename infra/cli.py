"""The command line: finds the command, and turns what it raises into text with an exit code."""

import errno
import gc
import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from infra.errors import InfraError, UsageError

# Each command is imported when it is called: most need only a part of what others need.
COMMANDS = {
    "synth": "infra.commands.synth",
    "plan": "infra.commands.plan",
    "apply": "infra.commands.apply",
    "destroy": "infra.commands.destroy",
    "status": "infra.commands.status",
    "drift": "infra.commands.drift",
    "outputs": "infra.commands.outputs",
    "probe": "infra.commands.probe",
    "history": "infra.commands.history",
    "rollback": "infra.commands.rollback",
    "unlock": "infra.commands.unlock",
    "rules": "infra.commands.rules",
    "explain": "infra.commands.explain",
    "model": "infra.commands.model",
    "local": "infra.commands.local",
}
ALIASES = {"preview": "plan", "up": "apply", "down": "destroy"}  # from Pulumi

EPILOG = """\b
Also, as in Pulumi: preview is plan, up is apply, down is destroy.

\b
Exit codes:
   0  done, or nothing to do
   1  error
   2  there are changes (plan --detailed-exitcode), or there is drift (drift)
  10  another apply holds the lock
  11  the saved plan is stale
  64  usage
 130  interrupted, or not approved
"""


class Commands(click.Group):
    """The commands of `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name or alias."""
        module = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or tell which one may have been meant."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line and exit."""
        if kwargs.get("standalone_mode") is False:
            return super().main(*args, **kwargs)
        gc.disable()  # a command lives for a second: collecting takes more than it frees
        with _exiting():
            sys.exit(super().main(*args, **{**kwargs, "standalone_mode": False}))

    def invoke(self, ctx: click.Context) -> Any:
        """Keep tracebacks off the screen, unless they were asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None
        except (InfraError, click.ClickException, click.Abort, click.exceptions.Exit):
            if ctx.params["traceback"]:
                _show_traceback()
            raise
        except Exception as error:
            if ctx.params["traceback"] or _nobody_reads(error):
                raise  # click ends quietly where nobody reads
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise InfraError(
                    f"{error.filename or 'the output'}: can't be written ({error.strerror}); "
                    "free some space, and run the same command again"
                ) from error
            raise InfraError(
                f"{type(error).__name__}: {error}\n"
                "This is a mistake in infra itself. Run the same command as `infra --traceback "
                "...`, and report what it prints."
            ) from error


@contextmanager
def _exiting() -> Iterator[None]:
    """Errors as text, and the exit code of each."""
    try:
        yield
    except click.UsageError as error:
        if isinstance(error, click.NoSuchOption):
            near = _near(error.option_name, error.possibilities or ())
            error = click.NoSuchOption(error.option_name, possibilities=near, ctx=error.ctx)
        error.show()
        sys.exit(UsageError.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except InfraError as error:
        click.echo(click.style("Error: ", fg="red", bold=True) + str(error), err=True)
        sys.exit(error.exit_code)


def _near(option: str, known: Iterable[str]) -> list[str]:
    """Those that may have been meant; the dashes that all have make none of them near."""
    from difflib import get_close_matches

    words = {each.lstrip("-"): each for each in known}
    return [words[each] for each in get_close_matches(option.lstrip("-"), words)]


def _nobody_reads(error: Exception) -> bool:
    """Whether it is an error because the reader of the output, such as `head`, has gone."""
    if not isinstance(error, BrokenPipeError):
        return False
    import select

    poll = select.poll()
    poll.register(sys.stdout, 0)
    return bool(poll.poll(0))


def _show_traceback() -> None:
    import traceback

    click.echo(traceback.format_exc(), err=True)


@click.group(cls=Commands, epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option("--traceback", is_flag=True, help="Show where in infra an error came from.")
@click.version_option(package_name="infra", message="%(package)s %(version)s")
def main(traceback: bool) -> None:
    """Plan, apply and destroy LLM inference on Modal, as a stack file describes it."""


if __name__ == "__main__":
    main()
