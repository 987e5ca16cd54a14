"""Free ports on loopback, outside the range from which outgoing connections take theirs."""

import secrets
import socket

LOOPBACK = "127.0.0.1"
_LOWEST, _HIGHEST = 20_000, 32_000
_given: set[int] = set()


def free_port(preferred: int = 0) -> int:
    """Return the preferred port if it is free, else some free one; never the same one twice.

    The port may still be taken by somebody else before it is used; whoever starts a server with
    it has to try again with another.
    """
    if preferred and preferred not in _given and _is_free(preferred):
        _given.add(preferred)
        return preferred
    while True:
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def listens(port: int) -> bool:
    """Say whether somebody accepts connections there."""
    with socket.socket() as knock:
        knock.settimeout(0.5)
        return knock.connect_ex((LOOPBACK, port)) == 0


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        # As servers do it: connections of a former server that linger do not matter.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
