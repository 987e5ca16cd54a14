"""Commands for those who write texts: what is wrong with them, and how they read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellal.domain.channels import Channel

if TYPE_CHECKING:
    from tellal.ports import Rendered
    from tellal.services.trials import Trial, Wanted
    from templates.environment import JinjaRenderer
    from templates.lawfulness import Law
    from templates.lint import Ways
    from templates.naming import TemplateName

templates = typer.Typer(help="Texts.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--folder", help="A folder of texts; else those that ship.")
]


@templates.command()
def lint(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of texts; else those that ship.")
    ] = None,
    brand: Annotated[
        str, typer.Option(help="Look at them as this brand's, by the law of its country.")
    ] = "",
    variables: Annotated[
        bool,
        typer.Option(
            "--variables", help="Say of each text without what it is refused, and what it spares."
        ),
    ] = False,
) -> None:
    """Fill every text in with its example; find what is missing, and links that nobody carries.

    What is unlawful about a text is found, too: a commercial one that does not say who sends it or
    how to refuse, a service one that promotes, a request for consent, more of a person than it
    needs; by the law of every country, for a company and for a sole trader, unless a brand is
    named. Of each SMS it is said how many segments it takes on each route, with the footer that the
    engine adds, and which characters make it cost more.
    """
    import asyncio

    from templates.lint import check

    _refuse_nowhere(folder)
    checked = check(_ways(asyncio.run(_law_of(brand)) if brand else _every_law()), folder)
    findings = [finding for one in checked for finding in one.findings]
    for one in checked:
        for finding in one.findings:
            typer.echo(str(finding))
        if one.note:
            typer.echo(f"{one.path}: {one.note}")
        if variables:
            needs, spares = ", ".join(one.needs) or "nothing", ", ".join(one.spares) or "nothing"
            typer.echo(f"{one.path}: refused without {needs}; does without {spares}")
    if not all(finding.warns for finding in findings):
        raise typer.Exit(1)
    typer.echo("The texts are in order.")


@templates.command()
def preview(
    topic: Annotated[str, typer.Argument(help="The topic, as its folder is called.")],
    channel: Annotated[Channel, typer.Argument(help="The channel.")],
    language: Annotated[str, typer.Option(help="As in tr or pt-BR.")] = "",
    folder: Folder = None,
) -> None:
    """Show a text as the example of its topic fills it in.

    A commercial one is shown with the footer of a company in Turkey.
    """
    from templates.environment import JinjaRenderer

    _refuse_nowhere(folder)
    renderer = JinjaRenderer(folder)
    rendered = _in_a_company_s_name(
        renderer, renderer.library.find(topic=topic, channel=channel, language=language)
    )
    if rendered.subject:
        typer.echo(f"Subject: {rendered.subject}\n")
    typer.echo(rendered.text)


@templates.command()
def gallery(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where to write the page.")],
    *,
    texts: Annotated[
        Path | None, typer.Option("--folder", help="A folder of texts; else those that ship.")
    ] = None,
    brand: Annotated[str, typer.Option(help="Show them as this brand's, by its law.")] = "",
    country: Annotated[str, typer.Option(help="What they cost to this country.")] = "TR",
) -> None:
    """Write a page that shows every text with its example, what it takes, costs and lacks.

    It is one plain file, which any browser opens without a network.
    """
    import asyncio

    from rules.law_texts import shipped_text_laws
    from rules.rulebook import load_rulebook
    from tellal.settings import Settings
    from templates.environment import JinjaRenderer
    from templates.gallery import ready_messages
    from templates.gallery_page import page_of

    _refuse_nowhere(texts)
    ways = _ways(asyncio.run(_law_of(brand)) if brand else _every_law())
    law = ways.law.laws[0] if brand else shipped_text_laws().of("TR")
    versions = {
        topic.id: topic.content_version
        for topic in load_rulebook(Settings().rulebook).topics.values()
    }
    ready = ready_messages(JinjaRenderer(texts), ways, versions, law=law, country=country)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(page_of(ready), encoding="utf-8")
    typer.echo(f"{page} shows {len(ready)} texts.")


@templates.command("send-test")
def send_test(
    topic: Annotated[str, typer.Argument(help="The topic, as its folder is called.")],
    *,
    channel: Annotated[Channel, typer.Option(help="The channel.")],
    to: Annotated[str, typer.Option(help="A colleague's address, from the allow-list.")],
    customer_like: Annotated[
        str, typer.Option(help="The reference of a customer who lends his language and name.")
    ],
    brand: Annotated[str, typer.Option(help="The brand's name; needed if there are several.")] = "",
    by: Annotated[str, typer.Option(help="Who acts; else the user of this computer.")] = "",
) -> None:
    """Send a text to a colleague through the real provider, marked as a test.

    Colleagues are those whom the setting TELLAL_ALLOW_LIST names; nobody else is sent anything.
    """
    import asyncio

    from tellal.cli.who import who
    from tellal.services.trials import Wanted

    wanted = Wanted(topic=topic, channel=channel, to=to, customer_like=customer_like)
    trial = asyncio.run(_try(wanted, brand, who(by)))
    typer.echo(f"{trial.provider} over {trial.route}: {trial.answer} {trial.code}".rstrip())
    typer.echo(f"To {trial.to}, {trial.segments} segment{'s' if trial.segments > 1 else ''}:")
    if trial.subject:
        typer.echo(f"Subject: {trial.subject}\n")
    typer.echo(trial.text)
    if trial.answer != "accepted":
        raise typer.Exit(1)


async def _try(wanted: "Wanted", brand: str, by: str) -> "Trial":
    """Send a test in the set-up that the settings name."""
    from activities.assembly import SendersOnDemand
    from rules.holder import RulebookHolder
    from rules.routing import load_routes
    from tellal.clock import SystemClock
    from tellal.persistence.session import make_engine, make_sessions
    from tellal.services.allow_list import AllowList
    from tellal.services.brands import find_brand, sole_brand
    from tellal.services.trials import Trials
    from tellal.settings import Settings
    from templates.environment import JinjaRenderer

    settings = Settings()
    engine = make_engine(settings.database_url.get_secret_value(), pool=1)
    sessions, senders = make_sessions(engine), SendersOnDemand(settings)
    trials = Trials(
        sessions,
        SystemClock(),
        books=RulebookHolder(settings.rulebook),
        renderer=JinjaRenderer(),
        senders=senders,
        routes=load_routes(settings.routes).with_providers(settings.providers),
        allow_list=AllowList.of(settings.allow_list),
    )
    try:
        async with sessions() as tx:
            owner = await find_brand(tx, brand) if brand else await sole_brand(tx)
        return await trials.send(owner, wanted, by=by)
    finally:
        await senders.close()
        await engine.dispose()


def _refuse_nowhere(folder: Path | None) -> None:
    from tellal.domain.errors import InvalidInputError

    if folder is not None and not folder.is_dir():
        raise InvalidInputError(f"there is no folder {folder}", field="folder")


def _in_a_company_s_name(renderer: "JinjaRenderer", name: "TemplateName") -> "Rendered":
    """Fill a text in with its example, as it would leave."""
    from rules.law_texts import shipped_text_laws
    from templates.gallery import as_shown

    return as_shown(renderer, name, _ways(_every_law()), shipped_text_laws().of("TR"))


def _every_law() -> "Law":
    from rules.law_texts import shipped_text_laws
    from tellal.clock import SystemClock
    from templates.lawfulness import Law

    return Law(laws=shipped_text_laws().all, day=SystemClock().now().date())


async def _law_of(name: str) -> "Law":
    """Return the law of a brand's country, and who the brand is in it."""
    from rules.law_texts import shipped_text_laws
    from tellal.clock import SystemClock
    from tellal.persistence.session import make_engine, make_sessions
    from tellal.services.brands import find_brand
    from tellal.services.senders import sender_profile
    from tellal.services.wording import day_of
    from tellal.settings import Settings
    from templates.lawfulness import Law

    engine = make_engine(Settings().database_url.get_secret_value(), pool=1)
    try:
        async with make_sessions(engine)() as tx:
            brand = await find_brand(tx, name)
            sender = await sender_profile(tx, brand)
    finally:
        await engine.dispose()
    law = shipped_text_laws().of(brand.country)
    return Law(laws=(law,), day=day_of(brand, SystemClock().now()), sender=sender)


def _ways(law: "Law") -> "Ways":
    """Return where texts go, as the settings say."""
    from rules.routing import load_routes
    from rules.rulebook import load_rulebook
    from tellal.settings import Settings
    from templates.lint import Ways

    settings = Settings()
    topics = load_rulebook(settings.rulebook).topics
    return Ways(
        table=load_routes(settings.routes),
        providers=settings.providers,
        classes={topic.id: topic.message_class for topic in topics.values()},
        digested={topic.id for topic in topics.values() if topic.digest},
        law=law,
    )
