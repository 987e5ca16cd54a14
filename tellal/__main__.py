"""`python -m tellal` is the command `tellal`."""

from tellal.cli import app

app()
