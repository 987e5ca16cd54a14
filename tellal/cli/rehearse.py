"""Commands that start the whole stack on this machine, to look at it or to work with it."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from tellal.stack.stack import Stack

_LOOK_EVERY_S = 1.0


def dev(
    data: Annotated[Path, typer.Option(help="The folder that keeps the data and the logs.")] = Path(
        ".tellal"
    ),
) -> None:
    """Keep the whole stack up until Ctrl-C, and print where everything is."""
    from rich.console import Console

    from tellal.cli.display import Display
    from tellal.stack.stack import Stack

    console = Console()
    end_cleanly_on_sigterm()
    display = Display(console)
    stack = Stack(ephemeral=False, folder=data, announce=display.show)
    try:
        with display:
            stack.start()
        _print_addresses(stack, console)
        _look_after(stack, console)
    except KeyboardInterrupt:
        console.print("Stopping.")
    finally:
        stack.close()


def end_cleanly_on_sigterm() -> None:
    """Turn SIGTERM into an exit that clears up on its way."""

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)


def _look_after(stack: "Stack", console: "Console") -> NoReturn:
    """Start again what dies, until we are told to stop."""
    never = threading.Event()
    while not never.wait(_LOOK_EVERY_S):
        for part in stack.revive():
            console.print(f"{part} had ended and was started again")
    raise AssertionError("unreachable: nobody sets the event")


def _print_addresses(stack: "Stack", console: "Console") -> None:
    """Print what a person needs to begin."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, address in _addresses(stack).items():
        table.add_row(name, address)
    console.print(table)
    console.print("Ctrl-C stops everything; the data stay.")


def _addresses(stack: "Stack") -> dict[str, str]:
    all_of_them = {
        "API": f"{stack.api_url}/docs",
        "Journeys (Temporal UI)": stack.temporal_ui_url,
        "Mailbox": stack.mailbox_url,
        "Carrier": f"{stack.carrier_url}/_carrier/book" if stack.carrier_url else "",
        "Database": stack.settings.database_url.get_secret_value(),
        "Temporal": stack.temporal_address,
        "Data and logs": str(stack.folder),
    }
    return {name: address for name, address in all_of_them.items() if address}
