"""Types the commands of the first pages as a new user would, each page in a new shell with an empty home.

The pages are the only source. A block fenced with ```sh is typed line by line, unless its first line is a comment that
starts with `# only`: it says for whom the block is. A line must exit with 0, or as its comment says: `exit code 5`, or
`exit code 1 without internet`. In the end git shows no change. The lines print into a terminal of 80 columns. Needs
only the standard library, as `tools/setup` does.
"""

import argparse
import fcntl
import os
import pty
import re
import secrets
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

CHECKOUT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/getting-started.md",
    "docs/own-backend.md",
    "docs/gke-quick-start.md",
    "docs/tasks/which-machine.md",
    "docs/tasks/n2-or-c4.md",
    "docs/tasks/cost-a-month.md",
    "docs/tasks/in-a-repository.md",
)
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_EXIT_CODE = re.compile(r"#.*\bexit code (\d+)( without internet)?")
# `make demo` on a machine with two cores that builds Pulumi takes a quarter of an hour.
_LINE_LIMIT_S = 1800
_ROWS, _COLUMNS = 24, 80
# What moves the cursor or changes colours, by ECMA-48.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()].|[\x00-\x08\x0e-\x1f]")
# What the pages type to end the server.
_END_SERVER = ". tools/env.sh && pulumi destroy --stack local --yes"
# What belongs to the machine and not to the user: its language, and how it gets packages.
_OF_THE_MACHINE = re.compile(r"LANG|LC_.*|TZ|TMPDIR|PIP_.*|GO(?!OGLE).*|SSL_.*|\w+_CA_\w+|\w+_(?:proxy|PROXY)")


class StuckError(Exception):
    """Whoever follows the pages cannot go on, or does not get what they promise. The message says where and why."""


@dataclass(frozen=True)
class Line:
    """A command of a page, with the exit codes that the page allows."""

    page: str
    number: int
    command: str
    statuses: frozenset[int]


def lines_of(page: str, text: str, only: str | None = None) -> Iterator[Line]:
    """The lines of a page that are typed, in order. A line that ends with a backslash goes on in the next one.

    `only` takes the blocks that begin with this comment instead, such as `# only with two results stores`.
    """
    for block in _BLOCK.finditer(text):
        first = block[2].lstrip().partition("\n")[0]
        if first.startswith("# only") if only is None else first != only:
            continue
        number = text.count("\n", 0, block.start(2)) + 1
        for command in re.split(r"(?<!\\)\n", block[2]):
            if command.strip() and not command.strip().startswith("#"):
                yield Line(page, number, command.strip(), _statuses(command))
            number += command.count("\n") + 1


def _statuses(command: str) -> frozenset[int]:
    said = _EXIT_CODE.search(command)
    if said is None:
        return frozenset({0})
    return frozenset({int(said[1]), 0} if said[2] else {int(said[1])})


@dataclass(frozen=True)
class Outcome:
    """How a typed line ended. `wide` are the lines that it printed and that a terminal of 80 columns breaks."""

    status: int
    traceback: bool
    wide: tuple[str, ...]


class Shell:
    """A bash that runs one line after the other in a terminal, and passes on what they print. A context manager."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._terminal, bash_side = pty.openpty()
        fcntl.ioctl(bash_side, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],  # noqa: S607 - the one on PATH is meant
            cwd=folder, env=dict(environment), text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=bash_side, stderr=bash_side,
        )  # fmt: skip
        os.close(bash_side)
        self._end_of_line = f"end-of-line-{secrets.token_hex(8)} "

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._bash.wait()
        os.close(self._terminal)

    def type(self, command: str) -> Outcome:
        """Run a line; raises StuckError where it does not end."""
        assert self._bash.stdin is not None
        # With no input, nothing waits for an answer.
        self._bash.stdin.write(
            f"eval {shlex.quote(command)} </dev/null; printf '\\n%s%s\\n' '{self._end_of_line}' $?\n"
        )
        self._bash.stdin.flush()
        traceback = False
        wide: list[str] = []
        limit = threading.Timer(_LINE_LIMIT_S, self._kill)
        limit.start()
        try:
            for printed in self._lines():
                if printed.startswith(self._end_of_line):
                    return Outcome(int(printed.removeprefix(self._end_of_line)), traceback, tuple(wide))
                traceback |= "Traceback (most recent call last)" in printed
                wide += [printed] if len(printed) > _COLUMNS else []
                print(printed, flush=True)
        finally:
            limit.cancel()
        raise StuckError(
            f"the shell ended, or the line `{command}` took longer than {_LINE_LIMIT_S} s, so whoever follows the page"
            " is stuck there; fix the program or the page"
        )

    def _lines(self) -> Iterator[str]:
        """What the terminal shows of each line in the end: a progress display writes its line many times."""
        rest = b""
        while True:
            try:
                block = os.read(self._terminal, 1 << 16)
            except OSError:  # Linux' answer once bash and all that it started have closed the terminal
                return
            *whole, rest = (rest + block).split(b"\n")
            for line in whole:
                shown = [_CONTROL.sub("", part) for part in line.decode(errors="replace").split("\r")]
                yield next((part for part in reversed(shown) if part.strip()), "")

    def _kill(self) -> None:
        os.killpg(self._bash.pid, signal.SIGKILL)


def new_user(home: Path, programs: Sequence[Path], *, caches: bool) -> dict[str, str]:
    """The environment of somebody who has just logged in, with an empty home; `programs` are folders for PATH."""
    inherited = [each for each in os.environ.get("PATH", "").split(":") if not Path(each).is_relative_to(CHECKOUT)]
    return {
        **_package_sources(),
        **(_caches() if caches else {}),
        **{name: value for name, value in os.environ.items() if _OF_THE_MACHINE.fullmatch(name)},
        "HOME": str(home),
        "PATH": ":".join([*map(str, programs), *inherited]),
        # The user answers yes to Pulumi's questions.
        "PULUMI_SKIP_CONFIRMATIONS": "true",
    }


def _package_sources() -> dict[str, str]:
    """Where pip and Go are told where packages come from, if that is in a file in the home of whoever runs this."""
    files = {"PIP_CONFIG_FILE": str(Path.home() / ".config/pip/pip.conf"), "GOENV": _answer("go env GOENV")}
    return {name: path for name, path in files.items() if Path(path).is_file()}


def _caches() -> dict[str, str]:
    """Where pip, uv and Go keep what they downloaded and built for whoever runs this."""
    uv = os.environ.get("UV_CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "uv")
    asked = {
        "PIP_CACHE_DIR": "python3 -m pip cache dir",
        "GOCACHE": "go env GOCACHE",
        "GOMODCACHE": "go env GOMODCACHE",
    }
    answers = {name: _answer(command) for name, command in asked.items()}
    return {"UV_CACHE_DIR": str(uv)} | {name: answer for name, answer in answers.items() if answer}


def _answer(command: str) -> str:
    if shutil.which(command.split(maxsplit=1)[0]) is None:
        return ""
    return subprocess.run(command.split(), capture_output=True, text=True, check=False).stdout.strip()


def type_pages(folder: Path, pages: Sequence[str], environment: Mapping[str, str]) -> None:
    """Type all lines; raises StuckError at the first that fails, and where git shows a change in the end."""
    before = _git(folder)
    wide: list[str] = []
    try:
        for page in pages:
            with Shell(folder, environment) as shell:
                for line in lines_of(page, (folder / page).read_text(encoding="utf-8")):
                    wide += [f"{page}:{line.number}: {printed}" for printed in _type(shell, line)]
    except StuckError:
        # The lines that end the server and restore the stack file were perhaps not reached.
        with Shell(folder, environment) as shell:
            shell.type(_END_SERVER)
            if not before:
                shell.type("git checkout --quiet .")
        raise
    for each in wide:
        print(f"first hour: wider than {_COLUMNS} columns: {each}")
    if _git(folder) != before:
        raise StuckError(
            "the commands of the pages changed what git tracks, or left files behind; let the page undo that:\n"
            f"{_git(folder)}"
        )


def _type(shell: Shell, line: Line) -> tuple[str, ...]:
    """Type a line; returns what it printed too wide."""
    place = f"{line.page}:{line.number}"
    print(f"\n{place}$ {line.command}", flush=True)
    started = time.monotonic()
    outcome = shell.type(line.command)
    print(f"{place}: exit code {outcome.status} after {time.monotonic() - started:.0f} s", flush=True)
    stuck = f"so whoever follows the page is stuck there; fix the program, or the page: `{line.command}`"
    if outcome.status not in line.statuses:
        expected = " or ".join(map(str, sorted(line.statuses)))
        raise StuckError(f"{place} ended with exit code {outcome.status}, not {expected}, {stuck}")
    if outcome.traceback:
        raise StuckError(f"{place} printed a traceback, {stuck}")
    return outcome.wide


def _git(folder: Path) -> str:
    """What git shows as changed."""
    commands = (["git", "status", "--porcelain"], ["git", "diff"])
    return "".join(
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout for command in commands
    )


def _is_as_cloned(folder: Path) -> bool:
    """Whether there is nothing but what git has, except what running this module makes."""
    command = ["git", "status", "--porcelain", "--ignored"]
    shown = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    return all(line.endswith("__pycache__/") for line in shown.splitlines())


def main() -> int:
    """Type the pages that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.first_hour", description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="*", metavar="PAGE", default=PAGES, help="the pages to type (default: all)")
    parser.add_argument(
        "--clone",
        type=Path,
        metavar="FOLDER",
        help="type them in a clone of HEAD, which is made there if there is none (default: in this checkout if it is as"
        " cloned, otherwise in a clone that is deleted)",
    )
    parser.add_argument("--path", type=Path, action="append", default=[], help="a folder of programs to find on PATH")
    parser.add_argument("--no-caches", action="store_true", help="download and build everything again")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable that they find")
    options = parser.parse_args()
    environment = dict(each.split("=", 1) for each in options.set)
    started = time.monotonic()
    programs = [each.resolve() for each in options.path]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch, "home")
        home.mkdir()
        folder = CHECKOUT
        if options.clone or not _is_as_cloned(CHECKOUT):
            folder = options.clone or Path(scratch, "checkout")
        if not folder.exists():
            subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(folder)], check=True)  # noqa: S607 - as above
        try:
            environment |= new_user(home, programs, caches=not options.no_caches)
            type_pages(folder, options.pages, environment)
        except StuckError as stuck:
            print(f"first hour: {stuck}", file=sys.stderr)
            return 1
    print(f"first hour: every line succeeded, and git shows no change, after {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
