"""`python -m tests.support.kubernetes.control_plane FOLDER` runs a Kubernetes control plane until Ctrl-C.

etcd, API server, controllers and scheduler listen on the loopback and end with the process that started them. There is
no node: pods are created and stay pending.
"""

import argparse
import secrets
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bench.servers.processes import free_port
from tests.support.foreground import run_in_foreground
from tests.support.kubernetes.api import Api
from tests.support.kubernetes.binaries import bin_folder, etcd_program
from tests.support.kubernetes.credentials import kubeconfig, write_private
from tools.console import SetupError
from tools.pins import ROOT

_START_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.1
_LOG_TAIL_CHARS = 2000
# Users of the API server: the name that RBAC's own roles are bound to, and groups.
_USERS = {
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
}


@dataclass(frozen=True)
class Site:
    """The network that a control plane runs in, and its additional users and flags."""

    address: str = "127.0.0.1"
    """The address that the API server listens on."""
    entering: tuple[str, ...] = ()
    """The command prefix that starts a program in the network with this address."""
    users: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """More users of the API server: name and groups for RBAC, by user."""
    api_server_flags: tuple[str, ...] = ()


class ControlPlane:
    """A context manager: a control plane with data, credentials and logs in one folder, which is emptied first."""

    def __init__(self, folder: Path, root: Path = ROOT, site: Site = Site()) -> None:
        self.folder = folder.resolve()
        self._site = site
        self._users = {**_USERS, **site.users}
        self._programs = bin_folder(root)
        self._etcd_program = etcd_program(root)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._tokens = {user: secrets.token_urlsafe(24) for user in self._users}
        self._etcd_port, self._peer_port, self._port = (free_port() for _ in range(3))

    @property
    def address(self) -> str:
        """Host and port of the API server."""
        return f"{self._site.address}:{self._port}"

    @property
    def ca_file(self) -> Path:
        """The CA certificate of the API server, which creates its certificates itself."""
        return self.folder / "certificates/apiserver.crt"

    @property
    def ca_certificate(self) -> str:
        """The CA certificate in base64, as clusters publish it."""
        return b64encode(self.ca_file.read_bytes()).decode()

    @property
    def api(self) -> Api:
        """The API as the admin, once the API server has started."""
        return Api(self.address, self.ca_file, self.token)

    @property
    def token(self) -> str:
        """The token of the admin, who may do everything."""
        return self._tokens["admin"]

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the admin."""
        return self.kubeconfig_of("admin")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all servers, and wait until the API server answers and the controllers act.

        Call it from the main thread: the servers end with the thread that started them.
        """
        if self._etcd_program is None or not (self._programs / "kube-apiserver").exists():
            raise SetupError("Kubernetes' servers are missing, so none can be started; run `make setup-kubernetes`")
        self._empty_folder()
        self._write_credentials()
        peer = f"http://127.0.0.1:{self._peer_port}"
        self._spawn(
            self._etcd_program,
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            # Its data need not outlive a crash of the machine.
            "--unsafe-no-fsync",
        )
        self._start_api_server()
        for user in self._users:
            self._write_kubeconfig(user)
        self._start_controllers()
        # A controller creates it, and every pod needs it.
        self._wait_for(lambda: self.api.get("/api/v1/namespaces/default/serviceaccounts/default"), "the controllers")

    def _start_controllers(self) -> None:
        self._spawn(
            self._programs / "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig_of('kube-controller-manager')}",
            f"--service-account-private-key-file={self._account_key}",
            f"--root-ca-file={self.ca_file}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            # Stand-ins for nodes send no heartbeats.
            "--node-monitor-grace-period=24h",
        )
        self._spawn(
            self._programs / "kube-scheduler",
            f"--kubeconfig={self.kubeconfig_of('kube-scheduler')}",
            "--leader-elect=false",
            "--secure-port=0",
        )

    def _start_api_server(self) -> None:
        """Start the API server alone."""
        self._spawn(
            self._programs / "kube-apiserver",
            f"--etcd-servers={self._etcd_url}",
            f"--bind-address={self._site.address}",
            f"--advertise-address={self._site.address}",
            # A loopback address cannot be an endpoint of the service `kubernetes`; no pod here uses that service.
            "--endpoint-reconciler-type=none",
            f"--secure-port={self._port}",
            f"--cert-dir={self.ca_file.parent}",
            f"--token-auth-file={self._token_file}",
            "--authorization-mode=Node,RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._account_key}",
            f"--service-account-signing-key-file={self._account_key}",
            "--allow-privileged",
            *self._site.api_server_flags,
        )
        self._wait_for(lambda: self.api.get("/readyz"), "the API server")

    def stop_api_server(self) -> None:
        """Stop the API server alone, as if the cluster were out of reach."""
        self._end("kube-apiserver")

    def restart_api_server(self) -> None:
        """Start the API server again after `stop_api_server`: same address, certificate, tokens and data.

        The controllers restart with it, as in an upgrade of a control plane: otherwise their backoff lets them act
        only a minute or two later.
        """
        self._start_api_server()
        for controller in ("kube-scheduler", "kube-controller-manager"):
            self._end(controller)
        self._start_controllers()

    def stop(self) -> None:
        """Stop all servers, the last started first."""
        for name in reversed(list(self._running)):
            self._end(name)

    @property
    def _etcd_url(self) -> str:
        return f"http://127.0.0.1:{self._etcd_port}"

    @property
    def _account_key(self) -> Path:
        return self.folder / "service-accounts.key"

    @property
    def _token_file(self) -> Path:
        return self.folder / "tokens.csv"

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of one of the users."""
        return self.folder / f"{user}.kubeconfig"

    def _empty_folder(self) -> None:
        if self.folder.exists():
            if any(self.folder.iterdir()) and not self._token_file.exists():
                raise SetupError(
                    f"{self.folder} is not empty and not a control plane's, so it is not used; give another folder"
                )
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)

    def _write_credentials(self) -> None:
        lines = [f'{self._tokens[user]},{name},{name},"{groups}"\n' for user, (name, groups) in self._users.items()]
        write_private(self._token_file, "".join(lines))
        subprocess.run(
            ["openssl", "genrsa", "-out", str(self._account_key), "2048"],
            check=True,
            capture_output=True,
        )

    def _write_kubeconfig(self, user: str) -> None:
        text = kubeconfig(f"https://{self.address}", self.ca_certificate, user, self._tokens[user])
        write_private(self.kubeconfig_of(user), text)

    def _spawn(self, program: str | Path, *arguments: str) -> None:
        name = Path(program).name
        with self._log(name).open("ab") as log:
            # The kernel ends it when this process ends, even by SIGKILL. A load generator comes first on the cores
            # that they share: a real control plane has machines of its own.
            self._running[name] = subprocess.Popen(
                ["nice", "-n", "5", "setpriv", "--pdeathsig", "KILL", *self._site.entering, str(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                # Ctrl-C goes to this process alone, which then stops the servers.
                start_new_session=True,
            )

    def _end(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            # On SIGTERM an API server waits 20 s for its clients; etcd has written its data to disk already.
            process.kill()
            process.wait()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _wait_for(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not condition():
            gone = [name for name, process in self._running.items() if process.poll() is not None]
            if gone or time.monotonic() > deadline:
                why = f"{' and '.join(gone)} ended" if gone else f"nothing answered within {_START_TIMEOUT_S:.0f} s"
                name = gone[0] if gone else "kube-apiserver"
                tail = self._log(name).read_text(errors="replace")[-_LOG_TAIL_CHARS:]
                raise SetupError(f"{what} did not start: {why}. The end of {self._log(name)}:\n{tail}")
            time.sleep(_POLL_INTERVAL_S)


def main() -> int:
    """Run a control plane until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.kubernetes.control_plane", description=__doc__)
    parser.add_argument("folder", type=Path, help="where data, credentials and logs go; emptied first")
    return run_in_foreground(ControlPlane(parser.parse_args().folder))


if __name__ == "__main__":
    sys.exit(main())
