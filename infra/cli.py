"""The command line: each command parses, calls one function, prints."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.errors import InfraError, UsageError

if TYPE_CHECKING:
    from infra.live import Live
    from infra.plan import Plan

STACK = click.argument("stack_file", metavar="STACK", type=click.Path(path_type=Path))
MAYBE_STACK = click.argument(
    "stack_file", metavar="[STACK]", required=False, type=click.Path(path_type=Path)
)
TARGET = click.option(
    "--target",
    type=click.Choice(["modal", "local"]),
    help="Where to look and to deploy; by default modal, if there are credentials for it.",
)
ENVIRONMENT = click.option(
    "-e", "--env", "environment", metavar="NAME", help="Modal environment, before the stack's own."
)
YES = click.option("-y", "--yes", "--auto-approve", is_flag=True, help="Do not ask.")
SHOW_DIFF = click.option("--diff", "show_diff", is_flag=True, help="Show the modules' text, too.")

EXIT_CODES = """\b
Exit codes:
   0  done, or nothing to do
   1  error
   2  there are changes (plan --detailed-exitcode)
  11  the saved plan is stale
  64  usage
 130  interrupted
"""


class Commands(click.Group):
    """A group whose errors are text with the documented exit codes."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line and exit."""
        if kwargs.get("standalone_mode", True) is False:
            return super().main(*args, **kwargs)
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.UsageError as error:
            error.show()
            code = UsageError.exit_code
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except click.Abort:
            say("Interrupted.")
            code = 130
        except InfraError as error:
            say(click.style("Error: ", fg="red", bold=True) + str(error))
            code = error.exit_code
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Keep what is no error of the user's for a bug report, but off the screen."""
        try:
            return super().invoke(ctx)
        except (InfraError, click.ClickException, click.Abort, click.exceptions.Exit):
            if ctx.params.get("traceback"):
                raise_with_traceback()
            raise
        except KeyboardInterrupt:
            raise click.Abort from None
        except Exception as error:
            if ctx.params.get("traceback"):
                raise
            raise InfraError(
                f"{type(error).__name__}: {error}\n"
                "This is a mistake in infra itself. Run the same command as `infra --traceback "
                "...`, and report what it prints."
            ) from error


def raise_with_traceback() -> None:
    """Print the traceback of the error that is being handled."""
    import traceback

    say(traceback.format_exc())


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"max_content_width": 100})
@click.option("--traceback", is_flag=True, help="Show where in infra an error came from.")
@click.version_option(package_name="infra", message="%(package)s %(version)s")
def main(traceback: bool) -> None:
    """Plan, apply and destroy LLM inference on Modal, as a stack file describes it."""


@main.command()
@STACK
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to; by default `generated` beside the stack file.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is out of date.")
def synth(stack_file: Path, out: Path | None, check: bool) -> int:
    """Write the Modal modules of a stack, one per App."""
    from infra import generated
    from infra.project import open_project

    project = open_project(stack_file)
    place = generated.folder(stack_file, project.stack.name, out)
    files = generated.compare(project.artifacts, place)
    stale = [file for file in files if not file.is_current]
    for file in stale:
        if check:
            click.echo(file.diff())
        else:
            generated.write(file)
            click.echo(f"{'removed' if file.after is None else 'wrote'} {file.path}")
    if check and stale:
        raise InfraError(
            f"{', '.join(str(file.path) for file in stale)}: out of date; generated files are as "
            f"the stack file says; run `infra synth {stack_file}` and commit what it writes"
        )
    if not stale:
        say(f"{len(files)} generated file{'s are' if len(files) != 1 else ' is'} up to date.")
    return 0


@main.command()
@STACK
@TARGET
@ENVIRONMENT
@SHOW_DIFF
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan there.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 if there are changes.")
def plan(
    stack_file: Path,
    target: str | None,
    environment: str | None,
    show_diff: bool,
    out: Path | None,
    detailed_exitcode: bool,
) -> int:
    """Show what an apply would do; nothing is changed."""
    from infra import display, saved
    from infra.project import open_project
    from infra.session import session

    project = open_project(stack_file)
    with session(target, environment or project.stack.environment) as there:
        made, live = there.plan(project, destroy=False)
        before = there.deployed_modules(live) if show_diff else {}
    click.echo(display.plan_text(made, live, time.time(), style()))
    if show_diff:
        click.echo("\n" + display.module_diffs(made, before))
    saved.save(made, out or saved.PLAN)
    if not made.is_empty() and not made.obstacles:
        if out:
            click.echo(f"\nSaved the plan to: {out}\nTo perform exactly these actions, run:")
            click.echo(f"  infra apply {out}")
        else:
            click.echo("\nTo perform exactly these actions, run `infra apply`.")
    if made.obstacles:
        return 1
    return 2 if detailed_exitcode and not made.is_empty() else 0


@main.command()
@click.argument("what", metavar="[STACK|PLAN]", required=False, type=click.Path(path_type=Path))
@TARGET
@ENVIRONMENT
@YES
def apply(what: Path | None, target: str | None, environment: str | None, yes: bool) -> int:
    """Carry out a plan: the last one, a saved one, or a fresh one of a stack file."""
    from infra import saved
    from infra.project import open_project
    from infra.session import session

    if what is not None and what.suffix == ".py":
        project = open_project(what)
        with session(
            target or chosen("apply", what), environment or project.stack.environment
        ) as there:
            made, live = there.plan(project, destroy=False)
            return finish(made, there.carry_out(made, live, yes=yes, style=style()))
    if target or environment:
        raise UsageError(
            "--target, --env: a saved plan has its own; they are allowed with a stack file; "
            "take them out, or run `infra apply STACK --target ...`"
        )
    made = saved.saved(what or saved.PLAN)
    if what is None:
        saved.check_stack(made, open_project(Path(made.stack_file)).artifacts)
    with session(made.target, made.environment or None) as there:
        live = there.read(made)
        done = there.carry_out(made, live, yes=yes or what is not None, style=style(), known=True)
    return finish(made, done)


@main.command()
@MAYBE_STACK
@TARGET
@ENVIRONMENT
@YES
def destroy(stack_file: Path | None, target: str | None, environment: str | None, yes: bool) -> int:
    """Stop every App of a stack; Volumes are kept, with what is in them."""
    from infra.project import open_project
    from infra.session import session

    stack_file, target, environment = last_if_none(stack_file, target, environment)
    project = open_project(stack_file)
    with session(
        target or chosen("destroy", stack_file), environment or project.stack.environment
    ) as there:
        made, live = there.plan(project, destroy=True)
        return finish(made, there.carry_out(made, live, yes=yes, style=style()))


@main.command()
@MAYBE_STACK
@TARGET
@ENVIRONMENT
def status(stack_file: Path | None, target: str | None, environment: str | None) -> int:
    """Show what is deployed: versions, containers, URLs."""
    from infra import display
    from infra.project import open_project
    from infra.session import session

    stack_file, target, environment = last_if_none(stack_file, target, environment)
    project = open_project(stack_file)
    with session(target, environment or project.stack.environment) as there:
        live = there.read_project(project)
    click.echo(display.status_text(live, project.stack.name, project.app_names(), time.time()))
    return 0


@main.group(cls=Commands)
def local() -> None:
    """The local control plane: a Modal on this machine."""


@local.command()
@click.option("--port", default=0, help="Port; by default a free one.")
def up(port: int) -> int:
    """Run it in the foreground until Ctrl-C; other commands find it by themselves."""
    from infra.connection import LOCAL_ROOT
    from infra.local.serving import serve

    return serve(LOCAL_ROOT, port)


@local.command()
def env() -> int:
    """Print the variables that point `modal` at it: eval "$(infra local env)"."""
    import shlex

    from infra.connection import LOCAL_ROOT
    from infra.local import running

    environ = running(LOCAL_ROOT)
    if environ is None:
        raise InfraError(
            f"{LOCAL_ROOT}: no control plane is running here; one is needed; run `infra local up`"
        )
    for name, value in environ.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    return 0


def last_if_none(
    stack_file: Path | None, target: str | None, environment: str | None
) -> tuple[Path, str | None, str | None]:
    """The stack and the target of the last plan, where the command line names none."""
    from infra import saved

    if stack_file is not None:
        return stack_file, target, environment
    last = saved.saved()
    return Path(last.stack_file), target or last.target, environment or last.environment or None


def chosen(command: str, stack_file: Path) -> str:
    """
    The target of a command that changes something and was given no plan.

    Raises:
        UsageError: There are no credentials, and nobody said that the local one is meant.
    """
    from infra.connection import default_target

    if default_target() == "modal":
        return "modal"
    raise UsageError(
        f"infra {command} {stack_file}: there are no Modal credentials; a target is needed; "
        "write --target local to use the local control plane, or run `modal setup`"
    )


def finish(plan: "Plan", live: "Live | None") -> int:
    """Say what was done, in words that tools which read Terraform's output look for."""
    from infra import display

    if live is None:
        return 0
    counts = plan.counts()
    if plan.destroy:
        click.echo(f"\nDestroy complete! Resources: {counts['destroy']} destroyed.")
        return 0
    click.echo(
        f"\nApply complete! Resources: {counts['add']} added, {counts['change']} changed, "
        f"{counts['destroy']} destroyed."
    )
    click.echo("\n" + display.outputs_text(live, [app.app for app in plan.apps]))
    return 0


def say(text: str) -> None:
    """Progress and errors: not part of what a command answers."""
    click.echo(text, err=True)


def style() -> Any:
    """Colours on a terminal, unless NO_COLOR says otherwise."""
    from infra import display

    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return display.plain
    return lambda text, colour: (
        click.style(text, bold=True) if colour == "bold" else click.style(text, fg=colour)
    )


if __name__ == "__main__":
    main()
