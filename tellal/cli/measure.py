"""The command that measures: what we do beside what the bare tools do, in the same run."""

import importlib
import inspect
import json as json_format
import pkgutil
from collections.abc import Callable
from typing import Annotated, Any

import typer


def bench(
    name: Annotated[str, typer.Argument(help="What to measure, for example `decide`.")],
    *,
    messages: Annotated[
        int | None, typer.Option(min=1, help="How many, where messages are measured.")
    ] = None,
    customers: Annotated[
        int | None, typer.Option(min=1_000, help="How many, where populations are measured.")
    ] = None,
    affected: Annotated[
        int | None, typer.Option(min=1, help="How many of them an outage affects.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
) -> None:
    """Measure Tellal against a bare baseline in the same run; a higher ratio is better."""
    run = _run_of(name)
    known = inspect.signature(run).parameters
    if messages is not None and "messages" not in known:
        raise typer.BadParameter(f"the bench {name!r} sends none", param_hint="--messages")
    if customers is not None and "customers" not in known:
        raise typer.BadParameter(f"the bench {name!r} decides for none", param_hint="--customers")
    if affected is not None and "affected" not in known:
        raise typer.BadParameter(f"the bench {name!r} has no outage", param_hint="--affected")
    sizes = {"messages": messages, "customers": customers, "affected": affected}
    result = run(**{what: number for what, number in sizes.items() if number is not None})
    if json:
        typer.echo(json_format.dumps(result))
        return
    typer.echo(f"{name}: {result['ratio']:.2f} of the baseline")
    for side in ("ours", "baseline"):
        for key, value in result[side].items():
            typer.echo(f"  {side:<8}  {key:<28} {value}")


def _run_of(name: str) -> Callable[..., dict[str, Any]]:
    """Return what runs the bench.

    Raises:
        BadParameter: There is no such bench.
    """
    from tellal import bench as benches

    modules = {module.name for module in pkgutil.iter_modules(benches.__path__)}
    module = importlib.import_module(f"{benches.__name__}.{name}") if name in modules else None
    run: Callable[..., dict[str, Any]] | None = getattr(module, "run", None)
    if run is None:
        raise typer.BadParameter(f"there is no bench {name!r}", param_hint="NAME")
    return run
