"""Commands that run one process of Tellal, as a deployment does."""

import gc
import time
from contextlib import suppress
from datetime import datetime, time as hour
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

if TYPE_CHECKING:
    from tellal.carrier.faults import Fault
    from tellal.settings import Settings

LOOPBACK = "127.0.0.1"
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(help="The port to listen on.")]

_NOT_STARTED = 3
"""How uvicorn says that it could not be started."""

_ALLOCATIONS, _YOUNG, _OLD = 20_000, 20, 20
"""When the collector looks through objects of three ages; it begins with 700, 10 and 10."""

database = typer.Typer(help="The database.", no_args_is_help=True)


def api(host: Host = LOOPBACK, port: Port = 8000) -> None:
    """Serve the HTTP API."""
    import uvicorn

    from api.app import create_app
    from api.serving import Server

    _begin()
    app = create_app()
    _spare_the_collector()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        host=host,
        port=port,
        log_config=None,
        # An access log would hold addresses with references of customers in them.
        access_log=False,
        server_header=False,
    )
    server = Server(config, app)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise typer.Exit(_NOT_STARTED)


def worker() -> None:
    """Serve the task queue: journeys, lanes and what they ask of the world."""
    from worker import main

    _begin()
    _spare_the_collector()
    main()
    # The client's threads must end before the interpreter does, or it aborts (sdk-python#300).
    gc.collect()
    time.sleep(0.3)


def carrier(
    *,
    host: Host = LOOPBACK,
    port: Port = 8010,
    smpp_port: Annotated[
        int | None, typer.Option(help="Where its message centre listens for SMPP.")
    ] = None,
    book: Annotated[Path | None, typer.Option(help="A file that keeps its book.")] = None,
    day: Annotated[
        Path | None, typer.Option(help="A file with what goes wrong in the hours of a day.")
    ] = None,
    day_begins: Annotated[
        datetime, typer.Option(formats=["%H:%M"], help="From which hour on it is played.")
    ] = datetime(2000, 1, 1),  # noqa: DTZ001 - an hour of any day
    speed: Annotated[
        float, typer.Option(min=1, help="How many times as fast as time the day goes.")
    ] = 1.0,
) -> None:
    """Simulate Twilio, NetGSM, a message centre, Firebase, Apple and İYS, for rehearsals.

    It knows the accounts, the token and the project that the settings name, and pushes NetGSM's
    reports to our hook if that has a secret. With --book it forgets nothing that it accepted, even
    if it is killed.
    """
    from tellal.carrier.server import serve
    from tellal.carrier.settings import CarrierSettings

    settings, plain = _begin(), CarrierSettings()
    # Who connects to this port of ours has set the account up with which he does.
    line = next((one for one in settings.smpp.values() if one.port == smpp_port), None)
    known = CarrierSettings(
        account_sid=settings.twilio.account_sid or plain.account_sid,
        auth_token=settings.twilio.auth_token.get_secret_value() or plain.auth_token,
        netgsm_usercode=settings.netgsm.usercode or plain.netgsm_usercode,
        netgsm_password=settings.netgsm.password.get_secret_value() or plain.netgsm_password,
        netgsm_push_url=_push_url(settings),
        smpp_port=smpp_port,
        smpp_host=host,
        smpp_system_id=line.system_id if line else plain.smpp_system_id,
        smpp_password=line.password.get_secret_value() if line else plain.smpp_password,
        iys_username=settings.iys.username or plain.iys_username,
        iys_password=settings.iys.password.get_secret_value() or plain.iys_password,
        fcm_project=settings.fcm.project or plain.fcm_project,
        fcm_bearer=settings.fcm.bearer_token.get_secret_value() or plain.fcm_bearer,
        book_file=book,
        faults=_spells(day, day_begins.time(), speed),
    )
    serve(host, port, known)


def mailbox(
    host: Host = LOOPBACK,
    smtp_port: Annotated[int, typer.Option(help="Where mail is taken in.")] = 1025,
    http_port: Annotated[int, typer.Option(help="Where it can be looked at.")] = 8025,
    file: Annotated[
        Path | None, typer.Option(help="The file that keeps the mails; memory alone without it.")
    ] = None,
) -> None:
    """Take mail in and show it, for rehearsals."""
    from tellal.carrier.mailbox import serve

    _begin()
    serve(host, smtp_port, http_port, file)


@database.callback()
def _database() -> None:
    """Make `db` a group even while it has a single command."""


@database.command("upgrade")
def upgrade_database() -> None:
    """Bring the database to the present schema."""
    from tellal.persistence.migrate import upgrade
    from tellal.settings import Settings

    upgrade(Settings().database_url.get_secret_value())
    typer.echo("The database has the present schema.")


def _begin() -> "Settings":
    """Read the settings, and log as they say."""
    from tellal.settings import Settings
    from tellal.telemetry import configure

    settings = Settings()
    configure(settings.log_level, form=settings.log_format)
    return settings


def _spells(day: Path | None, begins: hour, speed: float) -> "tuple[Fault, ...]":
    from tellal.carrier.day import DayError, load_day

    if day is None:
        return ()
    try:
        return tuple(load_day(day).faults(begins=begins, speed=speed))
    except DayError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _push_url(settings: "Settings") -> str:
    """Return where the simulated NetGSM pushes its reports to; nowhere without a secret."""
    secret = settings.netgsm.callback_secret.get_secret_value()
    return f"{settings.public_url}/v1/hooks/netgsm/{quote(secret, safe='')}" if secret else ""


def _spare_the_collector() -> None:
    """Let what was loaded out of every later search for garbage, and search more rarely.

    A request makes thousands of objects that die with it, and few that refer to each other.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, _YOUNG, _OLD)
