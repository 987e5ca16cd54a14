"""Commands that start the whole stack on this machine, to look at it or to work with it."""

import asyncio
import json as json_format
import signal
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from tellal.stack.stack import Stack
    from tellal.stories.scene import StoryResult

_EXIT_OF_SIGINT = 130
_LOOK_EVERY_S = 1.0
_LOOK_AGAIN_S = 5.0


def demo(
    stories: Annotated[
        list[str] | None, typer.Argument(help="Which stories to play; all if none is named.")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
) -> None:
    """Play stories on real servers, check every expectation, and leave nothing behind."""
    from rich.console import Console

    from tellal.stories.programme import chosen

    names = chosen(stories or [])
    console = Console(stderr=json)
    end_cleanly_on_sigterm()
    try:
        results = _play(names, console)
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left behind.")
        raise typer.Exit(_EXIT_OF_SIGINT) from None
    ok = bool(results) and all(result.ok for result in results)
    if json:
        told = [asdict(result) | {"ok": result.ok} for result in results]
        typer.echo(json_format.dumps({"ok": ok, "stories": told}, default=str))
    else:
        _print_verdict(results, console)
    if not ok:
        raise typer.Exit(1)


def dev(
    data: Annotated[
        Path | None,
        typer.Option(help="The folder that keeps data and logs; .tellal, if none is named."),
    ] = None,
) -> None:
    """Keep the whole stack up until Ctrl-C, and print where everything is."""
    from rich.console import Console

    from tellal.cli.display import Display
    from tellal.cli.welcome import key_in
    from tellal.stack.premises import usual_folder
    from tellal.stack.stack import Stack

    console = Console()
    end_cleanly_on_sigterm()
    display = Display(console)
    stack = Stack(ephemeral=False, folder=data or usual_folder(), announce=display.show)
    try:
        with display:
            stack.start()
        key = key_in(stack.folder / "key", stack.database_url)
        _print_addresses(stack, console, key)
        _look_after(stack, console)
    except KeyboardInterrupt:
        console.print("Stopping.")
    finally:
        stack.close()


def _play(names: "Sequence[str]", console: "Console") -> "list[StoryResult]":
    """Play the stories on a stack of their own."""
    from tellal.cli.display import Display
    from tellal.stack.stack import Stack
    from tellal.stories.programme import house_settings, play

    display = Display(console)
    stack = Stack(settings=house_settings(), ui=False, announce=display.show)
    try:
        with display:
            stack.start()
        return asyncio.run(
            play(
                stack,
                names,
                lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
            )
        )
    finally:
        stack.close()


def _print_verdict(results: "Sequence[StoryResult]", console: "Console") -> None:
    for result in results:
        held = sum(result.observed.get(name) == want for name, want in result.expected.items())
        mark = "[green]as expected[/]" if result.ok else "[red]not as expected[/]"
        console.print(f"{result.id:<12} {held} of {len(result.expected)} {mark}")


def end_cleanly_on_sigterm() -> None:
    """Turn SIGTERM into an exit that clears up on its way."""

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)


def _look_after(stack: "Stack", console: "Console") -> NoReturn:
    """Start again what dies, until we are told to stop."""
    from tellal.cli.sentences import explain
    from tellal.stack.process import PartError

    never, pause = threading.Event(), _LOOK_EVERY_S
    while not never.wait(pause):
        pause = _LOOK_EVERY_S
        try:
            for part in stack.revive():
                console.print(f"{part} had ended and was started again")
        except PartError as error:
            # The rest goes on; somebody may be mending this very part.
            console.print(explain(error), style="red", markup=False, soft_wrap=True)
            pause = _LOOK_AGAIN_S
    raise AssertionError("unreachable: nobody sets the event")


def _print_addresses(stack: "Stack", console: "Console", key: str) -> None:
    """Print what a person needs to begin."""
    for name, value in {"Key": key, **_addresses(stack)}.items():
        # Never broken into lines: these are copied.
        console.print(f"{name:<24}{value}", markup=False, highlight=False, soft_wrap=True)
    console.print("Ctrl-C stops everything; the data stay.")


def _addresses(stack: "Stack") -> dict[str, str]:
    all_of_them = {
        "API": f"{stack.api_url}/docs",
        "Console": f"{stack.api_url}/console",
        "Journeys (Temporal UI)": stack.temporal_ui_url,
        "Mailbox": stack.mailbox_url,
        "Carrier": f"{stack.carrier_url}/_carrier/book" if stack.carrier_url else "",
        # The password of a database that is not ours is nobody's business.
        "Database": stack.database_url if stack.postgres else "",
        "Temporal": stack.temporal_address,
        "Metrics (API)": f"{stack.api_url}/metrics",
        "Metrics (worker)": stack.metrics_url,
        "Data and logs": str(stack.folder),
    }
    return {name: address for name, address in all_of_them.items() if address}
