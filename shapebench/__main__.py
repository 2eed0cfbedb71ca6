"""`python -m shapebench` is `shapebench`."""

from shapebench.cli import app

app()
