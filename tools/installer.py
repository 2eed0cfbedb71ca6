"""Installs pinned Python packages: with uv, which is pinned as well, or with pip wherever uv cannot be used.

uv does not read pip's configuration, so it is told what pip is told; a setting that it cannot be told means pip.
"""

import ast
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.console import SetupError, run_step, say
from tools.stamps import content_key, read_stamp, unfinished_folder, write_stamp

_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--progress-bar", "off")
_PINNED = ("--no-deps", "--require-hashes", "-r")
# pip's order: what a later section sets wins. https://pip.pypa.io/en/stable/topics/configuration/
_SECTIONS = ("global", "install", ":env:")
# https://docs.astral.sh/uv/reference/environment/
_AS_FOR_PIP = {
    "index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT", "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}  # fmt: skip
# Settings of pip that change neither where packages come from nor which files are taken.
_HARMLESS = frozenset({
    "break-system-packages", "cache-dir", "compile", "config-file", "disable-pip-version-check", "log", "no-cache-dir",
    "no-color", "no-compile", "no-input", "no-python-version-warning", "no-warn-conflicts", "no-warn-script-location",
    "progress-bar", "quiet", "require-virtualenv", "retries", "root-user-action", "verbose",
})  # fmt: skip


class PipOnlyError(Exception):
    """pip is told something that uv cannot be told."""


def install(root: Path, venv: Path, requirements: Path) -> None:
    """Install a requirement file with hashes into an environment; raises SetupError."""
    log = root / f".tools/log/packages-{requirements.stem}.log"
    title = f"installing the pinned Python packages ({requirements.stem})"
    python = str(venv / "bin/python")
    total = len(re.findall(r"^[a-z0-9]\S*==", requirements.read_text(), re.MULTILINE))
    try:
        variables = uv_variables(pip_settings(venv, root), root)
        command = [
            str(_ensure_uv(root, venv)),
            "pip",
            "install",
            "--no-progress",
            "--compile-bytecode",
            "--python",
            python,
        ]
        run_step(
            title,
            [*command, *_PINNED, str(requirements)],
            log=log,
            describe=lambda _, line: f"{line}, of {total} packages",
            cwd=root,
            environment=os.environ | variables,
        )
    except (PipOnlyError, SetupError, OSError) as error:
        # Whatever is wrong, pip is the judge of it: uv is only faster.
        say(f"pip installs the packages, which takes longer: {_first_line(error)}")
    else:
        return
    # Resolved when they were pinned: --no-deps spares resolving them again, and the hashes are required.
    run_step(
        title,
        [python, *_PIP, *_PINNED, str(requirements)],
        log=log.with_stem(f"{log.stem}-pip"),
        describe=lambda _, line: _pip_progress(line, total),
        cwd=root,
    )


def pip_settings(venv: Path, root: Path) -> dict[str, str]:
    """What pip is told by its files and variables, by the name of the option; raises SetupError."""
    command = [str(venv / "bin/python"), "-m", "pip", "--disable-pip-version-check", "config", "list"]
    printed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if printed.returncode != 0:
        raise SetupError(f"`pip config list` failed: {printed.stderr.strip()}")
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in printed.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        # pip prints values as Python strings, and takes an empty one for none.
        if section in found and (text := str(ast.literal_eval(value))):
            found[section][option] = text
    return {option: value for section in _SECTIONS for option, value in found[section].items()}


def uv_variables(settings: Mapping[str, str], root: Path) -> dict[str, str]:
    """The variables that tell uv what pip is told; raises PipOnlyError. Passwords in them reach no command line."""
    variables = {
        "UV_NO_CONFIG": "1",  # nothing but pip's configuration decides, as toolchain.md says
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",  # as pip does since 24.2
    }
    if bundle := os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        variables["SSL_CERT_FILE"] = bundle
    for option, value in settings.items():
        if option in _AS_FOR_PIP:
            variables[_AS_FOR_PIP[option]] = " ".join(value.split())
        elif option == "find-links":
            # pip only warns of a folder that is not there; uv would fail.
            links = [link for link in value.split() if "://" in link or (root / Path(link).expanduser()).exists()]
            variables |= {"UV_FIND_LINKS": ",".join(links)} if links else {}
        elif option == "proxy":
            variables |= {"HTTP_PROXY": value, "HTTPS_PROXY": value}
        elif option not in _HARMLESS:
            raise PipOnlyError(f"pip's setting {option} is not known to uv")
    if "UV_INDEX" in variables:
        # As pip does: a file may be in any of the indexes. That it is the pinned one is certain by its hash.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return variables


def _ensure_uv(root: Path, venv: Path) -> Path:
    """The pinned uv, which pip installs into `.tools/uv`; raises SetupError where there is no wheel of it."""
    requirements, folder = root / "tools/requirements/installer.txt", root / ".tools/uv"
    key = content_key([requirements])
    if read_stamp(folder / "stamp").get("key") != key:
        with unfinished_folder(root) as scratch:
            run_step(
                "installing uv, which installs the packages",
                [str(venv / "bin/python"), *_PIP, "--only-binary", ":all:", "--target", str(scratch / "uv"), *_PINNED,
                 str(requirements)],
                log=root / ".tools/log/packages-installer.log",
                describe=lambda _, line: line,
                cwd=root,
            )  # fmt: skip
            write_stamp(scratch / "uv/stamp", {"key": key})
            if folder.exists():
                folder.rename(scratch / "outdated")
            (scratch / "uv").rename(folder)
    return folder / "bin/uv"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _pip_progress(line: str, total: int) -> str:
    action, _, rest = line.partition(" ")
    if action in {"Collecting", "Downloading", "Using", "Requirement"}:
        return f"{action.lower()} {rest.split(' (')[0]}, of {total} packages"
    return "unpacking them" if action in {"Installing", "Attempting", "Found", "Successfully"} else line
