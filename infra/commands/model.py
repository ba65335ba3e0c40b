"""`infra model`: what is known of a model."""

import os
import re
from typing import TYPE_CHECKING

import click

from infra.errors import UsageError
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
def show(name: str, revision: str | None) -> int:
    """Print a model's figures, each with where it is known from."""
    from infra.facts.models import FIGURES, model
    from infra.model_files import facts, hub_cache
    from infra.resources import ModelUse

    use = ModelUse(name=_checked(name), revision=revision)
    found = facts(use, hub_cache(os.environ)).over(model(name))
    rows = [
        (figure, _text(found, figure), found.source(figure))
        for figure in FIGURES
        if getattr(found, figure) is not None
    ]
    unknown = [figure for figure in FIGURES if getattr(found, figure) is None]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    click.echo(name if revision is None else f"{name} at {revision}")
    for figure, text, source in rows:
        click.echo(f"  {figure:{widths[0]}}  {text:{widths[1]}}  {source}".rstrip())
    if unknown:
        click.echo(f"\nNot known, or it has none: {', '.join(unknown)}.")
    if found.weight_bytes is None or found.is_estimate("weight_bytes"):
        click.echo(f"\n`infra model pull {name}` fetches the figures from the Hub.")
    return 0


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
