"""`infra plan`: what an apply would do."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from infra.commands.options import (
    ADOPT,
    ENVIRONMENT,
    JSON,
    MAX_MONTHLY_FLOOR,
    PATH,
    TARGET,
    style,
)
from infra.errors import InfraError, UsageError

if TYPE_CHECKING:
    from infra.plan import Plan
    from infra.project import Project
    from infra.session import Planned
    from infra.what_if import WhatIf


@click.command()
@click.argument("stacks", metavar="STACK...", nargs=-1, required=True, type=PATH)
@TARGET
@ENVIRONMENT
@ADOPT
@MAX_MONTHLY_FLOOR
@click.option("--target-service", "only", multiple=True, metavar="NAME", help="Only its App.")
@click.option("--exclude", multiple=True, metavar="NAME", help="Leave the service's App out.")
@click.option(
    "--what-if",
    "settings",
    multiple=True,
    metavar="FIELD=VALUES",
    help="Compare other values of a service's fields, such as gpu=H200:1,B200:1; plan nothing.",
)
@click.option("--diff", "show_diff", is_flag=True, help="Show the modules' text, too.")
@click.option("--concise", is_flag=True, help="List what changes, without the fields.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 if there are changes.")
@click.option("--out", type=PATH, help="Save the plan there, to apply exactly that.")
@JSON
@click.option("--json-into", type=PATH, help="Write the plan as JSON there, too.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print it for a pull request.")
@click.option("--markdown-into", type=PATH, help="Write it for a pull request there, too.")
def command(
    stacks: tuple[Path, ...],
    target: str | None,
    environment: str | None,
    adopt: bool,
    limit: float | None,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    settings: tuple[str, ...],
    show_diff: bool,
    concise: bool,
    detailed_exitcode: bool,
    out: Path | None,
    as_json: bool,
    json_into: Path | None,
    as_markdown: bool,
    markdown_into: Path | None,
) -> int:
    """
    Show what an apply would do; nothing is changed.

    STACK is a stack file, or a folder of them. The plan of a single stack is kept for `infra
    apply`.
    """
    if as_json and as_markdown:
        raise UsageError(
            "--json, --markdown: both would be printed; one of them is allowed; write the other "
            "into a file, with --json-into or --markdown-into"
        )
    from infra.files import check_writable

    check_writable({"--out": out, "--json-into": json_into, "--markdown-into": markdown_into})
    if settings:
        others = (adopt, limit, exclude, show_diff, concise, out)
        if any((*others, detailed_exitcode)) or len(stacks) > 1 or len(only) > 1:
            raise UsageError(
                "--what-if: asks no target and saves no plan; --target-service, --json and "
                "--markdown are allowed with it, of one stack file; leave the other options out"
            )
        found, name = _what_if(stacks[0], settings, next(iter(only), None))
        _write_what_if(found, name, (as_json, json_into), (as_markdown, markdown_into))
        return 0
    from infra import display, saved
    from infra.cost import limited
    from infra.load import stack_files
    from infra.session import Planned, sessions

    files = stack_files(stacks)
    if out and len(files) > 1:
        raise UsageError("--out: there are several stacks; a plan file holds one; name one stack")
    quiet = as_json or as_markdown
    projects, failures = _open(files)
    _check_identities(projects, environment)
    planned: list[Planned] = []
    wants_text = show_diff or as_markdown or markdown_into
    with sessions(target, quiet=quiet) as connect:
        for project in projects:
            there = connect(environment or project.environment)
            made, live = there.plan(project, adopt=adopt, only=only, exclude=exclude)
            before = there.deployed_modules(live) if wants_text else {}
            planned.append(Planned(plan=made, live=live, modules=before))
    within, note = limited([(each.plan, each.live) for each in planned], limit)
    planned = [attrs.evolve(each, plan=plan) for each, plan in zip(planned, within, strict=True)]
    for each in () if quiet else planned:
        show = display.list_text if concise else display.plan_text
        click.echo(show(each.plan, each.live, time.time(), style()))
        if show_diff:
            click.echo("\n" + display.module_diffs(each.plan, each.modules))
        if len(files) > 1:
            click.echo()
    if as_json or json_into:
        _write(_json(planned, failed=bool(failures)), as_json, json_into)
    if as_markdown or markdown_into:
        _write(_markdown(planned, failures), as_markdown, markdown_into)
    plans = [each.plan for each in planned]
    if len(files) == 1:
        [plan] = plans
        saved.save(plan, out or saved.PLAN)
        if not quiet:
            _next_step(plan, out)
    else:
        saved.forget()  # a later `infra apply` must not carry out an older plan than these
        if not quiet:
            pairs = [(each.plan, each.live) for each in planned]
            click.echo(display.plans_table(pairs, list(failures), style()))
    if note:
        click.echo(note, err=True)
    return _exit_code(plans, bool(failures), detailed_exitcode)


def _what_if(file: Path, settings: Sequence[str], service: str | None) -> tuple["WhatIf", str]:
    """The variants, and the stack's name."""
    from infra.model_files import hub_cache
    from infra.project import open_project
    from infra.what_if import what_if

    project = open_project(file, hub_cache(os.environ))
    return what_if(project, settings, service), project.stack.name


def _write_what_if(
    found: "WhatIf", stack: str, json: tuple[bool, Path | None], markdown: tuple[bool, Path | None]
) -> None:
    """To the screen and into files, as JSON and Markdown; else, as text to the screen."""
    from infra.display_what_if import what_if_json, what_if_markdown, what_if_text
    from infra.manifest import canonical

    if any(json):
        _write(canonical(what_if_json(found, stack)).decode().rstrip("\n"), *json)
    if any(markdown):
        _write(what_if_markdown(found), *markdown)
    if not (json[0] or markdown[0]):
        click.echo(what_if_text(found, style()))


def _open(files: Sequence[Path]) -> tuple[list["Project"], dict[str, str]]:
    """
    The projects, and why others can't be opened, by their names; that is told as well.

    Raises:
        InfraError: There is but one, and it can't be opened.
    """
    from infra.model_files import hub_cache
    from infra.project import open_project

    projects: list[Project] = []
    failures: dict[str, str] = {}
    for file in files:
        try:
            projects.append(open_project(file, hub_cache(os.environ)))
        except InfraError as error:
            if len(files) == 1:
                raise
            failures[str(file)] = str(error)
            click.echo(click.style("Error: ", fg="red", bold=True) + str(error), err=True)
    return projects, failures


def _check_identities(projects: Sequence["Project"], environment: str | None) -> None:
    """
    Refuse two stack files that are one stack to Modal: each would destroy the other's Apps.

    Raises:
        UsageError: Two have one name in one environment.
    """
    known: dict[tuple[str, str | None], Path] = {}
    for each in projects:
        name, place = each.stack.name, environment or each.environment
        if (first := known.setdefault((name, place), each.path)) is not each.path:
            raise UsageError(
                f"{first}, {each.path}: both are stack {name} in "
                f"{f'environment {place}' if place else 'the default environment'}, so each would "
                "destroy the other's Apps; a name of its own is allowed; rename one of them"
            )


def _json(planned: Sequence["Planned"], *, failed: bool) -> str:
    from infra.show_json import plan_json_text

    pairs = [(each.plan, each.live) for each in planned]
    return plan_json_text(pairs, errored=failed, now=time.time())


def _markdown(planned: Sequence["Planned"], failures: Mapping[str, str]) -> str:
    from infra import display
    from infra.markdown import markdown

    diffs = {
        f"{each.plan.stack}/{app.app}": display.module_diffs(each.plan, each.modules, only=app.app)
        for each in planned
        for app in each.plan.apps
        if app.changes
    }
    pairs = [(each.plan, each.live) for each in planned]
    return markdown(pairs, diffs, now=time.time(), errors=list(failures.values()))


def _write(text: str, to_screen: bool, path: Path | None) -> None:
    from infra.files import write_file

    if to_screen:
        click.echo(text)
    if path:
        write_file(path, text.encode() + b"\n")


def _next_step(plan: "Plan", out: Path | None) -> None:
    if plan.is_empty() or plan.obstacles:
        return
    if out:
        click.echo(f"\nSaved the plan to: {out}\nTo perform exactly these actions, run:")
        click.echo(f"  infra apply {out}")
    else:
        click.echo("\nTo perform exactly these actions, run `infra apply`.")


def _exit_code(plans: Sequence["Plan"], failed: bool, detailed: bool) -> int:
    """The most severe of all stacks: an error, then changes, then nothing to do."""
    if failed or any(plan.obstacles for plan in plans):
        return 1
    return 2 if detailed and not all(plan.is_empty() for plan in plans) else 0
