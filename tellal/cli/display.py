"""Shows how far a stack is: moving lines on a terminal, plain ones elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress as Bars, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from tellal.stack.progress import Progress, Stage

_DONE = {Stage.READY: "[green]ready[/]", Stage.FAILED: "[red]failed[/]"}


class Display:
    """Takes the news of a starting stack; used as a context manager around the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description:<10}"),
            TextColumn("{task.fields[stage]:<10}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def show(self, news: Progress) -> None:
        """Show one piece of news."""
        if not self._console.is_terminal:
            if news.stage in _DONE:
                self._console.print(f"{news.part:<10} {_DONE[news.stage]}")
            return
        if news.part not in self._tasks:
            self._tasks[news.part] = self._bars.add_task(news.part, total=1, stage="starting")
        if news.stage in _DONE:
            self._bars.update(self._tasks[news.part], completed=1, stage=_DONE[news.stage])

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()
