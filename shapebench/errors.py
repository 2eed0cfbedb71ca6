"""Prints an expected error of a command as one line; a bug keeps its traceback."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

# The exit code of a shell for a program that this signal ended.
_BROKEN_PIPE = 128 + signal.SIGPIPE


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print an error of the user's input as one line, and exit with code 1."""
    from analysis.objective import ObjectiveError  # noqa: PLC0415 - start-up
    from analysis.results.storage.store_files import StoreError  # noqa: PLC0415 - start-up
    from shapebench.output import CommandError, note  # noqa: PLC0415 - start-up
    from stacks.explain import SettingsError  # noqa: PLC0415 - start-up
    from stacks.machines.machine_series import UnknownMachineTypeError  # noqa: PLC0415 - start-up

    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe: no error. Unwritten output is discarded, or Python would
        # complain when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_BROKEN_PIPE) from None
    except (StoreError, ObjectiveError, SettingsError, UnknownMachineTypeError, CommandError, OSError) as error:
        note(f"shapebench: {_text(error)}")
        raise typer.Exit(1) from None


def _text(error: Exception) -> str:
    """The message; of the operating system's errors, the file and the reason."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename} cannot be used ({error.strerror}); give another path, or correct its permissions"
    return str(error)
