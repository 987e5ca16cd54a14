"""A real Postfix with a configuration of its own, on loopback, for the length of a block."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pwd import getpwnam

from tests.support.carrier import free_port

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.banka.example
mydestination = users.example
local_recipient_maps =
alias_maps =
alias_database =
home_mailbox = Maildir/
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
transport_maps = inline:{{ {transports} }}
smtp_host_lookup = native
delay_warning_time = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 2s
queue_run_delay = 2s
maximal_queue_lifetime = {lifetime}
smtp_tls_security_level = none
smtputf8_enable = no
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """The running server: where it takes mail in, and what it logs."""

    port: int
    folder: Path

    def log(self) -> str:
        """Return what it has logged."""
        log = self.folder / "log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


@contextmanager
def a_postfix(transports: Mapping[str, str], *, lifetime: str = "1d") -> Iterator[Postfix]:
    """Run a Postfix; `transports` say for domains where their mails go (transport(5)).

    It gives a mail up after `lifetime`, and warns of a delay after two seconds.
    """
    folder, port = Path(tempfile.mkdtemp(prefix="tellal-postfix-")), free_port()
    # Its daemons run as a user of their own, who must get in.
    folder.chmod(0o755)
    owner = getpwnam("postfix")
    (folder / "queue").mkdir()
    (folder / "data").mkdir()
    os.chown(folder / "data", owner.pw_uid, owner.pw_gid)
    inline = ", ".join(f"{{ {domain} = {where} }}" for domain, where in transports.items())
    main = _MAIN.format(folder=folder, transports=inline, lifetime=lifetime)
    (folder / "main.cf").write_text(main, encoding="utf-8")
    (folder / "master.cf").write_text(_MASTER.format(port=port), encoding="utf-8")
    try:
        _postfix(folder, "start")
        yield Postfix(port=port, folder=folder)
    finally:
        _postfix(folder, "abort")
        shutil.rmtree(folder, ignore_errors=True)


def _postfix(folder: Path, command: str) -> None:
    done = subprocess.run(
        ["/usr/sbin/postfix", "-c", str(folder), command],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and command == "start":
        log = folder / "log"
        said = log.read_text(encoding="utf-8") if log.exists() else ""
        raise RuntimeError(f"postfix does not start: {done.stderr}{said}")
