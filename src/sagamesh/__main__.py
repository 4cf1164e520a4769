"""`python -m sagamesh`."""

from sagamesh.cli.main import run

run()
