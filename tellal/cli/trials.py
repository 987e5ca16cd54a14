"""Commands that test rule files by what their authors expect of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rules.rulebook import Rulebook
    from rules.trials.definitions import Trial

Folder = Annotated[Path | None, typer.Argument(help="A folder of rule files; else the one in use.")]


def run_tests(
    folder: Folder = None,
    *,
    run: Annotated[str, typer.Option("--run", help="Only tests of this name, or a part.")] = "",
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Say what no test reaches, and what each does.")
    ] = False,
    least: Annotated[
        float | None, typer.Option("--min", help="Fail below this coverage, in per cent.")
    ] = None,
) -> None:
    """Run the tests that stand beside the rules, in `*_test.yaml`.

    A test that its author marked `todo` may fail. Coverage counts each rule with its effect and
    without it, and each test of its condition both ways.
    """
    from rules.trials import report
    from rules.trials.coverage import cover
    from rules.trials.running import Standing, run as run_trials

    book, trials = _load(folder)
    chosen = report.named(trials, run) if run else trials
    if not chosen:
        _refuse(f"no test is called like '{run}'" if run else "there are no tests, *_test.yaml")
    results = run_trials(book, chosen)
    for line in report.told(results):
        typer.echo(line)
    failed = any(one.standing is Standing.FAILED for one in results)
    if coverage or least is not None:
        measured = cover(book, results)
        for line in (*(report.fired_by(results) if coverage else ()), *report.reached(measured)):
            typer.echo(line)
        failed = failed or measured.total < (least or 0)
    if failed:
        raise typer.Exit(1)


def mutate(folder: Folder = None) -> None:
    """Turn each test of each rule round, one at a time: at least one test must notice.

    What nobody notices is listed, and the command fails.
    """
    from rules.trials import report
    from rules.trials.mutants import killed, mutants
    from rules.trials.running import Standing, run

    book, trials = _load(folder)
    results = run(book, trials)
    if any(one.standing is Standing.FAILED for one in results):
        _refuse("the tests fail already; see: tellal rules test")
    sound = [one.trial for one in results if one.standing is not Standing.TODO]
    every = noticed = 0
    for mutant in mutants(book):
        every += 1
        if killed(mutant, sound):
            noticed += 1
        else:
            typer.echo(report.survived(mutant))
    share = 100.0 * noticed / every if every else 100.0
    typer.echo(f"{noticed} of {every} changes were noticed: {share:.1f} %.")
    if noticed < every:
        raise typer.Exit(1)


def register(rules: typer.Typer) -> None:
    """Add the commands to the group of rule files."""
    rules.command("test")(run_tests)
    rules.command()(mutate)


def _load(folder: Path | None) -> "tuple[Rulebook, tuple[Trial, ...]]":
    from rules.rulebook import load_rulebook
    from rules.trials.reading import read_trials
    from tellal.domain.errors import RulebookError
    from tellal.settings import Settings

    folder = folder or Settings().rulebook
    try:
        book = load_rulebook(folder)
        return book, read_trials(book, folder)
    except RulebookError as error:
        for finding in error.findings:
            typer.echo(str(finding))
        raise typer.Exit(1) from None


def _refuse(why: str) -> None:
    typer.echo(why)
    raise typer.Exit(1)
