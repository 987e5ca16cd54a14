"""All of Tellal's commands, gathered; each loads what it needs when it is called."""

import typer

from tellal.cli import (
    brands,
    campaign_office,
    campaigns,
    comparing,
    credit,
    erasing,
    explaining,
    exports,
    groups,
    holds,
    imports,
    measure,
    outages,
    publishing,
    registry,
    rehearse,
    reports,
    serve,
    texts,
    trials,
    upset,
    verify,
    ways,
)
from tellal.cli.sentences import PlainSpeaking

app = typer.Typer(
    name="tellal",
    cls=PlainSpeaking,
    help="Decides who hears what, over which channel and when, and proves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(rehearse.demo)
app.command()(rehearse.dev)
app.command()(serve.api)
app.command()(serve.worker)
app.command()(serve.carrier)
app.command()(serve.mailbox)
app.command()(measure.bench)
app.command()(upset.chaos)
app.add_typer(ways.routes, name="routes")
app.add_typer(serve.database, name="db")
comparing.register(publishing.rules)
trials.register(publishing.rules)
explaining.register(publishing.rules)
app.add_typer(publishing.rules, name="rules")
app.add_typer(verify.verify, name="verify")
app.add_typer(texts.templates, name="templates")
app.add_typer(brands.brands, name="brands")
app.add_typer(brands.keys, name="keys")
app.add_typer(groups.groups, name="groups")
app.add_typer(holds.hold, name="hold")
app.add_typer(outages.outage, name="outage")
for name, command in campaign_office.COMMANDS.items():
    campaigns.campaigns.command(name)(command)
app.add_typer(campaigns.campaigns, name="campaigns")
app.add_typer(credit.credit, name="credit")
app.add_typer(imports.imports, name="import")
app.add_typer(exports.exports, name="export")
app.add_typer(erasing.erase, name="erase")
app.add_typer(registry.registry, name="registry")
reports.report.command("registry")(registry.report_registry)
app.add_typer(reports.report, name="report")
