"""`python -m shapebench` is `shapebench`."""

from shapebench.cli import app

if __name__ == "__main__":  # processes that the analysis starts import this module, too
    app(prog_name="shapebench")
