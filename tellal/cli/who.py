"""Says who acts at the command line, as the ledger records it."""

import getpass


def who(named: str) -> str:
    """Return whom the command names, else the user of this computer."""
    if named:
        return f"command line ({named})"
    try:
        return f"command line ({getpass.getuser()})"
    except (KeyError, OSError):
        return "command line"
