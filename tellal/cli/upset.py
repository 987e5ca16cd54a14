"""The command that kills and torments a stack of its own, and judges what is left."""

import asyncio
import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tellal.chaos.killing import Say
    from tellal.chaos.report import Report
    from tellal.chaos.run import Order


def chaos(
    *,
    messages: Annotated[int, typer.Option(min=8, help="How many messages are asked for.")] = 5000,
    kills: Annotated[int, typer.Option(min=0, help="How many processes are killed.")] = 20,
    seed: Annotated[int, typer.Option(help="Decides what is killed, and when.")] = 1,
    data: Annotated[
        Path | None, typer.Option(help="Keep data and logs in this folder; else nothing is kept.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
) -> None:
    """Kill processes while providers misbehave, then compare the providers' book and the ledger."""
    from tellal.chaos.run import Order
    from tellal.cli.rehearse import end_cleanly_on_sigterm

    end_cleanly_on_sigterm()
    order = Order(messages=messages, kills=kills, seed=seed)
    report = _report_of(order, data, lambda line: typer.echo(line, err=json))
    for line in report.lines():
        typer.echo(line, err=json)
    if json:
        typer.echo(json_format.dumps(report.as_json()))
    if not report.ok:
        raise typer.Exit(1)


def _report_of(order: "Order", data: Path | None, say: "Say") -> "Report":
    from tellal.chaos.run import run, settings_of
    from tellal.stack.stack import Stack

    with Stack(
        settings=settings_of(order),
        ephemeral=data is None,
        durable=True,
        folder=data or Path(),
        ui=False,
    ) as stack:
        return asyncio.run(run(stack, order, say))
