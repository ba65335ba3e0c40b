"""`infra model`: what is known of a model."""

import os
import re
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

import click

from infra.commands.options import PATH, style
from infra.errors import InfraError, UsageError
from infra.validators import REPOSITORY

if TYPE_CHECKING:
    from infra.facts.models import ModelFacts

NAME = click.argument("name")
REVISION = click.option(
    "--revision", metavar="COMMIT", help="Commit, branch or tag; by default the main branch."
)
UNITS = {"weight_bytes": "bytes", "state_bytes": "bytes a request", "context_length": "tokens"}


@click.group()
def command() -> None:
    """Show or fetch what plans know of a model."""


@command.command()
@NAME
@REVISION
@click.option("--stack", "stack_file", type=PATH, help="Show what its plans know.")
def show(name: str, revision: str | None, stack_file: Path | None) -> int:
    """
    Print a model's figures, each with where it is known from.

    NAME is a repository on the Hub, or the path of a config.json.
    """
    from infra.facts.models import FIGURES
    from infra.text import table_rows, wrapped

    is_file = name.endswith(".json") or Path(name).is_file()
    found = _in_file(name, revision, stack_file) if is_file else _known(name, revision, stack_file)
    rows = [
        (figure, _text(found, figure), found.source(figure))
        for figure in FIGURES
        if getattr(found, figure) is not None
    ]
    unknown = [figure for figure in FIGURES if getattr(found, figure) is None]
    click.echo(name if revision is None else f"{name} at {revision}")
    lines = table_rows(rows, style().within(2).width)
    click.echo(indent("\n".join(lines), "  "))
    if unknown:
        told = f"Not known, or it has none: {', '.join(unknown)}."
        click.echo("\n" + wrapped(told, style().width))
    if not is_file and (found.weight_bytes is None or found.is_estimate("weight_bytes")):
        click.echo(f"\n`infra model pull {name}` fetches the figures from the Hub.")
    return 0


def _in_file(name: str, revision: str | None, stack_file: Path | None) -> "ModelFacts":
    """The figures in a file, and no others."""
    from infra.model_files import facts
    from infra.resources import ModelUse

    if revision or stack_file:
        raise UsageError(
            f"{name}: is a file; --revision and --stack are allowed with the name of a model; "
            "leave them out"
        )
    return facts(ModelUse(name=name, facts=name), None)


def _known(name: str, revision: str | None, stack_file: Path | None) -> "ModelFacts":
    """
    What a plan knows of a model, a stack's own figures included.

    Raises:
        InfraError: Nothing is known.
        UsageError: The stack loads no such model.
    """
    from infra.facts.models import FIGURES, model
    from infra.model_files import facts, hub_cache
    from infra.project import open_project
    from infra.resources import ModelUse

    use = ModelUse(name=_checked(name), revision=revision)
    if stack_file:
        services = (each for app in open_project(stack_file).apps for each in app.services)
        loaded = [each for service in services for each in service.models]
        names = dict.fromkeys(each.name for each in loaded)
        same = [each for each in loaded if each.name == name]
        meant = [each for each in same if revision in (None, each.revision)]
        if not meant:
            so = f"{stack_file} loads it at {same[0].revision or 'no revision'}" if same else ""
            raise UsageError(
                f"{name}: {so or f'{stack_file} loads no such model'}; one of "
                f"{', '.join(names)} is allowed; name it as the stack does"
            )
        use = meant[0]
    found = facts(use, hub_cache(os.environ)).over(model(name))
    if not any(getattr(found, figure) for figure in FIGURES):
        raise InfraError(
            f"{name}: nothing is known of it; a model that comes with infra, was pulled or is "
            f"described by a stack (--stack FILE) is allowed; run `infra model pull {name}`"
        )
    return found


@command.command()
@NAME
@REVISION
def pull(name: str, revision: str | None) -> int:
    """Fetch a model's figures from the Hub into models/, to be committed."""
    from infra.facts.model_config import model_facts, relevant
    from infra.hub import fetch
    from infra.manifest import canonical
    from infra.model_files import MAIN, pulled_file

    found = fetch(_checked(name), revision or MAIN, os.environ)
    config = relevant(found.config)
    model_facts(config, f"config.json of {name}")  # what plans can't read is not to be kept
    path = pulled_file(name, revision)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "model": name,
        "revision": revision or MAIN,
        "commit": found.commit,
        "weight_bytes": found.weight_bytes,
        "config": config,
    }
    path.write_bytes(canonical(kept))
    click.echo(f"wrote {path} (commit {found.commit[:12]})")
    return 0


def _text(found: "ModelFacts", figure: str) -> str:
    """A figure as people read it; an estimate begins with "~"."""
    value, unit = getattr(found, figure), UNITS.get(figure, "")
    if isinstance(value, bool):
        return "yes" if value else "no"
    mark = "~" if found.is_estimate(figure) else ""
    text = f"{value:,}" if isinstance(value, int) else value
    return f"{mark}{text} {unit}".strip()


def _checked(name: str) -> str:
    if not re.fullmatch(REPOSITORY.pattern, name):
        raise UsageError(
            f"{name!r}: is no repository of a model; {REPOSITORY.words} is allowed; write "
            "Qwen/Qwen3-8B-FP8, for example"
        )
    return name
