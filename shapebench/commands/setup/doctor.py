"""`shapebench doctor`: checks what is installed, in which version, what is missing, and how to fix it."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from analysis.report.tables import Column, Table
from serving.servers import SERVERS
from shapebench.commands.setup.doctor_google import Finding, google_findings
from shapebench.output import print_table
from tools import gobuild
from tools.console import SetupError
from tools.environment import requirements_are_installed
from tools.pins import ROOT, load_pins, parse_version, show_version
from tools.pulumi_cli import installed_source, pulumi_on_path
from tools.stack import activated_environment, uses_embedded_backend

_VERSION_TIMEOUT_S = 20.0


def doctor(root: Path = ROOT) -> int:
    """Print a table of the findings; returns 1 if something needed is missing."""
    findings = diagnose(root)
    columns = (Column("", "text"), Column("state", "text"), Column("found", "wrap"), Column("fix", "wrap"))
    rows = tuple((finding.what, finding.state, finding.found, finding.fix) for finding in findings)
    print_table(Table("Findings", columns, rows))
    return 1 if any(finding.state == "missing" for finding in findings) else 0


def diagnose(root: Path = ROOT) -> list[Finding]:
    """Check everything that the set-up and a stack need."""
    try:
        environment = activated_environment(root)
    except SetupError as error:
        return [Finding("environment", "missing", str(error), "restore tools/env.sh from git")]
    host, browser = "pulumi-language-python", "only the report's browser test needs it: apt install chromium"
    return [
        _python(root),
        _packages(root),
        _policy_pack(root),
        _pulumi(root, environment),
        _program(environment, host, Finding("Python language host", "missing", f"{host} is not on PATH", "make setup")),
        _backend(environment),
        *_stacks(root, environment),
        _go(root),
        _model_server(environment),
        _program(environment, "chromium", Finding("chromium", "optional", "none on PATH", browser)),
        _port(8500, "gRPC"),
        _port(8501, "REST"),
        *google_findings(environment),
    ]


def _python(root: Path) -> Finding:
    pins = load_pins(root)
    good = pins.python_oldest <= sys.version_info[:3] < pins.python_before
    found = f"{platform.python_version()} ({sys.executable})"
    wanted = f"a Python from {show_version(pins.python_oldest)} and before {show_version(pins.python_before)}"
    return Finding("Python", "ok", found) if good else Finding("Python", "missing", found, f"install {wanted}")


def _packages(root: Path) -> Finding:
    if requirements_are_installed(root, "dev"):
        return Finding("Python packages", "ok", "as pinned, with those for checks and tests")
    if requirements_are_installed(root, "run"):
        return Finding("Python packages", "ok", "as pinned (make setup-dev adds those for checks and tests)")
    return Finding("Python packages", "missing", "not those pinned in tools/requirements", "make setup")


def _policy_pack(root: Path) -> Finding:
    if requirements_are_installed(root, "policy"):
        return Finding("policy pack", "ok", "as pinned, for --policy-pack policy")
    return Finding("policy pack", "optional", "its environment does not match the pins", "make setup-policy")


def _pulumi(root: Path, environment: dict[str, str]) -> Finding:
    pins, source = load_pins(root), installed_source(root)
    if source is not None:
        how = {"release": "official release, checksum verified", "build": "built with Go from pinned modules"}[source]
        return Finding("pulumi", "ok", f"{pins.pulumi}, {how} (.tools/bin)")
    own = pulumi_on_path(root, pins, environment)
    if own is None:
        return Finding("pulumi", "missing", "none in .tools/bin, none on PATH", "make setup")
    if own.objection is not None:
        return Finding("pulumi", "missing", f"{own.path}: {own.objection}", "make setup")
    return Finding("pulumi", "ok", f"{own.version.removeprefix('v')}, your own ({own.path})")


def _program(environment: dict[str, str], program: str, absent: Finding) -> Finding:
    path = shutil.which(program, path=environment["PATH"])
    return absent if path is None else Finding(absent.what, "ok", path)


def _backend(environment: dict[str, str]) -> Finding:
    if uses_embedded_backend(environment):
        own = bool(environment.get("PULUMI_CONFIG_PASSPHRASE") or environment.get("PULUMI_CONFIG_PASSPHRASE_FILE"))
        return Finding("backend", "ok", f".state/ in this checkout, {'your' if own else 'an empty'} passphrase")
    url = environment.get("PULUMI_BACKEND_URL", "")
    if url:
        # User names and tokens can be before the host and after the question mark.
        shown = f"yours, {re.sub(r'//[^/@]*@', '//', url).partition('?')[0]}"
        if url.startswith("http") or environment.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
            return Finding("backend", "ok", shown)
        passphrase = environment.get("PULUMI_CONFIG_PASSPHRASE")
        if passphrase:
            return Finding("backend", "ok", f"{shown}, your passphrase")
        which = "no passphrase" if passphrase is None else "an empty passphrase, which protects no secret"
        return Finding("backend", "note", f"{shown}, {which}", "export PULUMI_CONFIG_PASSPHRASE=…")
    by_token = bool(environment.get("PULUMI_ACCESS_TOKEN"))
    return Finding("backend", "ok", "yours, by PULUMI_ACCESS_TOKEN" if by_token else "yours, by pulumi login")


def _stacks(root: Path, environment: dict[str, str]) -> list[Finding]:
    if not uses_embedded_backend(environment):
        return [Finding("stacks", "note", "kept in your backend", "pulumi stack ls")]
    folder = root / ".state/.pulumi/stacks/shapebench"
    states = sorted(folder.glob("*.json"))
    locked = {path.parent.name for path in (root / ".state/.pulumi/locks").rglob("*.json")}
    if not states:
        return [Finding("stack local", "missing", "not created yet", "make setup")]
    return [_stack(path, locked=path.stem in locked) for path in states]


def _stack(path: Path, *, locked: bool) -> Finding:
    name = f"stack {path.stem}"
    try:
        checkpoint = json.loads(path.read_text())["checkpoint"].get("latest") or {}
    except (ValueError, KeyError, AttributeError) as error:
        return Finding(
            name,
            "missing",
            f"its state cannot be read: {error}",
            f"in {path.parent}, copy {path.name}.bak to {path.name}",
        )
    if locked:
        fix = f"if no update is running: pulumi cancel --stack {path.stem}"
        return Finding(name, "note", "an update is running, or was killed", fix)
    if checkpoint.get("pending_operations"):
        fix = f"pulumi refresh --clear-pending-creates --stack {path.stem}"
        return Finding(name, "note", "an update was interrupted", fix)
    # The stack itself counts as a resource.
    count = max(len(checkpoint.get("resources") or []) - 1, 0)
    return Finding(name, "ok", f"{count} resources" if count else "nothing brought up")


def _go(root: Path) -> Finding:
    obstacle = gobuild.why_go_cannot(root)
    if obstacle is None:
        return Finding("Go", "ok", _version_of("go", "version"))
    fix = "only needed to build Pulumi where its release cannot be downloaded: https://go.dev/dl/"
    return Finding("Go", "optional", obstacle, fix)


def _model_server(environment: dict[str, str]) -> Finding:
    path = shutil.which("tensorflow_model_server", path=environment["PATH"])
    if path is None:
        return Finding("tensorflow_model_server", "optional", "none; the embedded server serves the local stack")
    return Finding("tensorflow_model_server", "ok", f"{_version_of(path, '--version')} ({path})")


def _port(port: int, protocol: str) -> Finding:
    what = f"port {port} ({protocol})"
    holders = [
        net_connection.pid
        for net_connection in psutil.net_connections(kind="tcp")
        if net_connection.status == psutil.CONN_LISTEN and net_connection.laddr and net_connection.laddr.port == port
    ]
    if not holders:
        return Finding(what, "ok", "free")
    description = _process(holders[0])
    if any(server.program in description for server in SERVERS):
        return Finding(what, "ok", f"a model server listens, process {holders[0]}")
    key = f"shapebench:local.{protocol.lower()}Port"
    fix = f"end it, or choose another: pulumi config set --path {key} PORT --stack local"
    return Finding(what, "note", f"taken by process {holders[0] or 'of another user'}: {description}", fix)


def _process(pid: int | None) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline()[:4]) if pid else "unknown"
    except psutil.Error:
        return "unknown"


def _version_of(*command: str) -> str:
    done = subprocess.run(
        command, env=os.environ, capture_output=True, text=True, check=False, timeout=_VERSION_TIMEOUT_S
    )
    version = parse_version(done.stdout + done.stderr)
    return show_version(version) if version else "version unknown"
