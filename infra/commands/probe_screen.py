"""What `infra probe` shows while it happens."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from infra.commands.options import style
from infra.text import harmless

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from infra.probing.answer import Show
    from infra.probing.load import Tally


class Waiting:
    """Why there is no answer yet; on a terminal, with a clock."""

    def __init__(self) -> None:
        self._clock = ExitStack()
        self._is_drawn = False

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def tell(self, why: str) -> None:
        """A new reason."""
        click.echo(f"waiting: {why}", err=True)
        if not self._is_drawn and sys.stderr.isatty():
            from rich.progress import SpinnerColumn, TimeElapsedColumn

            self._is_drawn = True
            self._clock.enter_context(_drawn(SpinnerColumn(), TimeElapsedColumn())).add_task("")

    def end(self) -> None:
        """It is over, or given up."""
        self._clock.close()


@contextmanager
def streamed() -> Iterator["Show"]:
    """Text as it comes, reasoning set apart; nothing in it does anything to the terminal."""
    paint = style()
    before: bool | None = None

    def show(piece: str, is_reasoning: bool) -> None:
        nonlocal before
        text = harmless(piece)
        if before and not is_reasoning:
            click.echo()
        before = is_reasoning
        click.echo(paint(text, "bright_black") if is_reasoning else text, nl=False)

    try:
        yield show
    finally:
        if before is not None:
            click.echo()


@contextmanager
def _drawn(*columns: "ProgressColumn") -> Iterator["Progress"]:
    """A display that gives the cursor back, even if it is interrupted while it begins or ends."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            yield progress
    finally:
        console.show_cursor()


@contextmanager
def bar(duration: float) -> Iterator[Callable[["Tally"], None]]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with _drawn(*columns) as progress:
        task = progress.add_task("", total=duration)

        def tell(tally: "Tally") -> None:
            failed = tally.failures.total()
            answers = f"{tally.answers} answers" + (f", {failed} failed" if failed else "")
            is_over = tally.seconds >= duration
            what = f"{answers}, waiting for the last" if is_over else answers
            progress.update(task, completed=min(tally.seconds, duration), description=what)

        yield tell
