"""A process that starts servers, says where they are, and ends as it is told.

Usage: python -m tests.stack.tenant wait|raise [FOLDER]
"""

import json
import sys
import threading
from pathlib import Path

import psycopg

from tellal.stack.postgres import Postgres
from tellal.stack.premises import Premises
from tellal.stack.temporal import Temporal


def main() -> None:
    end, *folder = sys.argv[1:]
    move_in = Premises.keep(Path(folder[0])) if folder else Premises.make_temporary()
    with move_in as premises:
        postgres, temporal = Postgres(premises), Temporal(premises)
        postgres.start()
        temporal.start()
        address = postgres.url.replace("+psycopg", "")
        with psycopg.connect(address) as connection:
            backend = connection.info.backend_pid
            pids = [postgres.pid, temporal.pid, backend]
            sys.stdout.write(json.dumps({"folder": str(premises.folder), "pids": pids}) + "\n")
            sys.stdout.flush()
            if end == "raise":
                raise RuntimeError("as I was told")
            threading.Event().wait()


if __name__ == "__main__":
    main()
