"""The whole of Tellal on one machine: real servers, in an order in which each finds the others."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from shutil import copytree
from types import TracebackType
from typing import Self

from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

import rules
from tellal.persistence.migrate import upgrade
from tellal.settings import Settings
from tellal.stack.blueprint import draw, furnish
from tellal.stack.operator import Operator, OperatorError
from tellal.stack.ports import LOOPBACK
from tellal.stack.postgres import Postgres
from tellal.stack.premises import Premises
from tellal.stack.process import PartError
from tellal.stack.progress import Announce, Progress, Stage, announced, keep_quiet
from tellal.stack.service import Part, Service, answers
from tellal.stack.temporal import Temporal

_BOOK = Path(rules.__file__).parent / "book"


class Stack:
    """PostgreSQL, Temporal, carrier, mailbox, API and worker; what is real stays out of it.

    `ephemeral` keeps everything in a temporary folder that is removed at the end. Otherwise the
    data stay in `folder`. `durable` commits survive a power cut; those of what stays always do.
    """

    postgres: Postgres | None = None
    temporal: Temporal | None = None
    carrier: Service | None = None
    mailbox: Service | None = None
    api: Service
    worker: Service

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        ephemeral: bool = True,
        durable: bool = False,
        folder: Path = Path(".tellal"),
        ui: bool = True,
        announce: Announce = keep_quiet,
    ) -> None:
        self._ephemeral = ephemeral
        self._durable = durable or not ephemeral
        self._folder = folder
        self._ui = ui
        self._announce = announce
        self._parts: list[Part] = []
        self.settings = settings or Settings()
        self._blueprint = draw(self.settings, familiar=not ephemeral)
        self._premises: Premises | None = None

    @property
    def api_url(self) -> str:
        """Where the API answers."""
        return self._blueprint.url_of("api")

    @property
    def carrier_url(self) -> str:
        """Where the carrier simulator answers; empty if every carrier is real."""
        return self._blueprint.url_of("carrier") if self._blueprint.carrier else ""

    @property
    def mailbox_url(self) -> str:
        """Where the mailbox shows its mail; empty if the mail goes to a real relay."""
        return self._blueprint.url_of("mailbox") if self._blueprint.mailbox else ""

    @property
    def metrics_url(self) -> str:
        """Where the worker shows its metrics; the API shows its own at /metrics."""
        return f"http://{self.settings.metrics_host}:{self.settings.metrics_port}/metrics"

    @property
    def temporal_address(self) -> str:
        """Where Temporal's clients connect."""
        return self.settings.temporal_address

    @property
    def temporal_ui_url(self) -> str:
        """Temporal's web pages; empty if the server is not ours."""
        return self.temporal.ui_url if self.temporal else ""

    @property
    def database_url(self) -> str:
        """The database's address, for SQLAlchemy."""
        return self.settings.database_url.get_secret_value()

    @property
    def folder(self) -> Path:
        """Where the stack's data and logs are."""
        return self._premises.folder if self._premises else self._folder

    @property
    def rulebook(self) -> Path:
        """The folder of rule files that the stack reads."""
        return self.settings.rulebook or _BOOK

    def logs(self) -> Mapping[str, Path]:
        """Return the log file of every part that runs here."""
        return {part.name: part.log for part in self._parts}

    def start(self) -> None:
        """Start everything.

        Raises:
            PartError: A part did not come up; nothing of the stack runs then.
            PremisesError: The folder cannot be used.
        """
        try:
            self._premises = self._move_in()
            self._build(self._premises)
        except BaseException:
            self.close()
            raise

    def revive(self) -> tuple[str, ...]:
        """Start every part again that has died; return their names."""
        dead = [part for part in self._parts if not part.alive]
        for part in dead:
            with announced(self._announce, part.name):
                part.start()
        return tuple(part.name for part in dead)

    def close(self) -> None:
        """Stop everything, Tellal's own parts first; closing twice does nothing."""
        servers = [part for part in self._parts if part in (self.postgres, self.temporal)]
        services = [part for part in self._parts if part not in servers]
        for group in (services, servers):
            for part in group:
                part.ask_to_stop()
            for part in group:
                part.stop()
        if self._premises is not None:
            self._premises.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _move_in(self) -> Premises:
        return Premises.make_temporary() if self._ephemeral else Premises.keep(self._folder)

    def _build(self, premises: Premises) -> None:
        """Start what is slow to load first, and wait for it last."""
        self.settings = furnish(self.settings, self._blueprint)
        if self._ephemeral and self.settings.rulebook is None:
            # A copy, so that whoever rehearses may edit it.
            self._set(rulebook=copytree(_BOOK, premises.folder / "rulebook"))
        carriers = list(self._launch_carriers(premises))
        self._start_servers(premises)
        with announced(self._announce, "database"):
            self._migrate(premises)
        self._await(carriers)
        self._await(self._launch_tellal(premises))

    def _launch_carriers(self, premises: Premises) -> Iterator[Service]:
        plan = self._blueprint
        if plan.carrier:
            url = plan.url_of("carrier")
            self.carrier = self._service(
                premises,
                "carrier",
                options={
                    "--port": plan.ports["carrier"],
                    "--smpp-port": plan.ports["smpp"],
                    "--book": premises.folder / "carrier-book.jsonl",
                },
                ready=lambda _: answers(f"{url}/healthz"),
            )
            yield self.carrier
        if plan.mailbox:
            view = plan.url_of("mailbox")
            self.mailbox = self._service(
                premises,
                "mailbox",
                options={
                    "--smtp-port": plan.ports["smtp"],
                    "--http-port": plan.ports["mailbox"],
                    "--file": premises.folder / "mailbox.jsonl",
                },
                ready=lambda _: answers(f"{view}/healthz"),
            )
            yield self.mailbox

    def _start_servers(self, premises: Premises) -> None:
        plan = self._blueprint
        if plan.postgres:
            port = plan.ports["postgres"]
            self.postgres = Postgres(premises, durable=self._durable, port=port)
            self._begin(self.postgres)
            with announced(self._announce, self.postgres.name):
                self.postgres.start()
            self._set(database_url=SecretStr(self.postgres.url))
        if plan.temporal:
            self.temporal = Temporal(
                premises,
                ui=self._ui,
                port=plan.ports["temporal"],
                ui_port=plan.ports["temporal_ui"],
            )
            self._begin(self.temporal)
            with announced(self._announce, self.temporal.name):
                self.temporal.start()
            self._set(temporal_address=self.temporal.address, temporal_namespace="default")
        else:
            with announced(self._announce, "temporal"):
                self._prepare_namespace(premises)

    def _launch_tellal(self, premises: Premises) -> list[Service]:
        plan = self._blueprint
        operator = self._operator(premises)
        self.api = self._service(
            premises,
            "api",
            options={"--host": LOOPBACK, "--port": plan.ports["api"]},
            ready=lambda _: answers(f"{plan.url_of('api')}/healthz"),
        )
        self.worker = self._service(
            premises,
            "worker",
            options={},
            ready=lambda pid: operator.polls(self.settings.task_queue, pid),
        )
        return [self.api, self.worker]

    def _service(
        self,
        premises: Premises,
        name: str,
        *,
        options: Mapping[str, object],
        ready: Callable[[int], bool],
    ) -> Service:
        service = Service(
            premises,
            name=name,
            command=[name, *(str(word) for pair in options.items() for word in pair)],
            settings=self.settings,
            ready=ready,
            mend=f"the log above says why; `tellal {name}` alone shows it too",
        )
        self._begin(service)
        service.launch()
        return service

    def _await(self, services: list[Service]) -> None:
        for service in services:
            with announced(self._announce, service.name):
                service.await_ready()

    def _migrate(self, premises: Premises) -> None:
        try:
            upgrade(self.database_url)
        except OperationalError as error:
            raise PartError(
                "database",
                "does not let us in",
                log=premises.logs,
                tail=str(error.orig).strip(),
                mend="check TELLAL_DATABASE_URL, or unset it to have a server started for you",
            ) from error

    def _prepare_namespace(self, premises: Premises) -> None:
        try:
            self._operator(premises).add_search_attributes()
        except OperatorError as error:
            raise PartError(
                "temporal",
                f"does not serve us at {self.temporal_address}",
                log=premises.logs,
                tail=str(error),
                mend="check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, "
                "or unset them to have a server started for you",
            ) from error

    def _operator(self, premises: Premises) -> Operator:
        return Operator(
            self.settings.temporal_address, self.settings.temporal_namespace, premises.folder
        )

    def _begin(self, part: Part) -> None:
        self._parts.append(part)
        self._announce(Progress(part=part.name, stage=Stage.STARTING))

    def _set(self, **changes: object) -> None:
        self.settings = self.settings.model_copy(update=changes)
