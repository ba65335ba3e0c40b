"""`infra synth`: the generated modules."""

from pathlib import Path

import click

from infra.commands.options import PATH, STACK
from infra.errors import InfraError


@click.command()
@STACK
@click.option(
    "--out", type=PATH, help="Folder to write to; by default `generated` beside the stack file."
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is out of date.")
def command(stack_file: Path, out: Path | None, check: bool) -> int:
    """Write the Modal modules of a stack, one per App."""
    from infra import generated, masking
    from infra.project import open_project

    project = open_project(stack_file)
    stack = project.stack.name
    place = generated.folder(stack_file, stack, out)
    files = generated.compare(project.artifacts, place, stack)
    stale = [file for file in files if not file.is_current]
    for file in stale:
        if check:
            click.echo(file.diff())
        else:
            generated.write(file)
            click.echo(f"{'removed' if file.after is None else 'wrote'} {file.path}")
    for each in project.artifacts:
        if masking.MARK in str(each.manifest.resources):
            click.echo(
                f"Warning: {place / each.module}.py holds what looks like a secret, in clear; "
                f"`infra plan {stack_file}` says where",
                err=True,
            )
    if check and stale:
        raise InfraError(
            f"{', '.join(str(file.path) for file in stale)}: out of date; generated files are as "
            f"the stack file says; run `infra synth {stack_file}` and commit what it writes"
        )
    if not stale:
        are = "file is" if len(files) == 1 else "files are"
        click.echo(f"{len(files)} generated {are} up to date.", err=True)
    return 0
