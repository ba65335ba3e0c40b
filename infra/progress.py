"""What an apply does, told as it happens."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Lines as things happen; on a terminal, a clock behind what is happening now."""
    started = time.monotonic()
    if not sys.stderr.isatty():
        yield lambda line: click.echo(f"{line} [{time.monotonic() - started:.0f}s]", err=True)
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")

        def tell(line: str) -> None:
            progress.reset(task, description=line)
            if not line.endswith("..."):
                progress.console.print(line, highlight=False, markup=False)

        yield tell
