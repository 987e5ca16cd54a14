"""The command `tellal`."""

from tellal.cli.main import app

__all__ = ["app"]
