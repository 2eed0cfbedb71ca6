"""A cluster of one node: control plane, container runtime, kubelet, kube-proxy, DNS and the metrics server."""

import fcntl
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError

from tests.support.images.archive import Image, write_archive
from tests.support.images.layer import Entry, pack
from tests.support.kubernetes.api import Api
from tests.support.kubernetes.binaries import bin_folder, kubernetes_is_installed
from tests.support.kubernetes.control_plane import ControlPlane, Site
from tests.support.node import cgroups, configuration
from tests.support.node.configuration import NODE, SANDBOX_IMAGE
from tests.support.node.obstacles import why_no_node_can_run
from tests.support.node.programs import debian_folder, node_is_installed
from tests.support.node.sandbox import FOLDER, Sandbox
from tools.console import SetupError
from tools.pins import ROOT

DEFAULT_FOLDER = ROOT / ".state/node"
_USERS = {
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", ""),
    "coredns": ("coredns", ""),
    "metrics-server": ("metrics-server", ""),
}
_READ = ["get", "list", "watch"]
# What programs that are no part of Kubernetes may do.
_RULES: dict[str, list[dict[str, Any]]] = {
    "coredns": [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ],
    # https://github.com/kubernetes-sigs/metrics-server/tree/v0.8.0/manifests/base: its rbac.yaml.
    "metrics-server": [
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["nodes", "pods", "namespaces", "configmaps"], "verbs": _READ},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
    ],
}
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_METRICS = "/apis/metrics.k8s.io/v1beta1"
_CONTROL_PLANE, _LOCK = "control-plane", "lock"
_START_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.1
_LOG_TAIL_CHARS = 2000


class SingleNode:
    """A context manager: a cluster whose one node runs containers.

    Its folder is emptied at the start and, except for the logs, at the end. All programs end with the thread that
    started them, even if the process is killed.
    """

    def __init__(self, folder: Path = DEFAULT_FOLDER, root: Path = ROOT) -> None:
        self.folder = folder.resolve()
        self._root = root
        self._toolchain = bin_folder(root).parent
        self._open = ExitStack()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._start(opening)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def address(self) -> str:
        """`host:port` of the API server."""
        return self._control_plane.address

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of a user who may do everything."""
        return self._control_plane.kubeconfig

    def import_images(self, images: Sequence[Image]) -> None:
        """Import images into the node, so that pods can use them."""
        command = [*self._sandbox.inside, "ctr", "--address", configuration.CONTAINERD, "--namespace", "k8s.io"]
        with self._log("import").open("ab") as log:
            importing = subprocess.Popen(
                [*command, "images", "import", "-"], stdin=subprocess.PIPE, stdout=log, stderr=log, env=self._variables
            )
            assert importing.stdin
            try:
                write_archive(images, importing.stdin)
                importing.stdin.close()
            except BrokenPipeError:
                pass  # the reason is in its log
            if importing.wait() != 0:
                raise SetupError(f"the images cannot be imported: {self._tail('import')}")

    def _start(self, opening: ExitStack) -> None:
        self._require_node()
        opening.enter_context(self._own_folder())
        opening.callback(_remove_all_but_logs, self.folder)
        cgroups.remove_abandoned()
        group = cgroups.group_of(os.getpid())
        opening.callback(cgroups.remove, group)
        cgroups.make(group)
        self._sandbox = opening.enter_context(Sandbox(self.folder, self._toolchain))
        opening.callback(self._end)
        self._start_runtime()
        self._control_plane = opening.enter_context(
            ControlPlane(self.folder / _CONTROL_PLANE, self._root, self._site())
        )
        self._start_node(group)

    def _require_node(self) -> None:
        if (obstacle := why_no_node_can_run()) is not None:
            raise SetupError(f"no node can run here: {obstacle}")
        if not (node_is_installed(self._root) and kubernetes_is_installed(self._root)):
            raise SetupError("the node's programs are missing or outdated; run `make setup-node`")

    def _own_folder(self) -> ExitStack:
        """Empty the folder, and lock it while this node runs."""
        owned = ExitStack()
        marker = self.folder / _LOCK
        if self.folder.exists() and any(self.folder.iterdir()) and not marker.exists():
            raise SetupError(
                f"{self.folder} holds something else than a node, so it is not emptied for one; give another"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = owned.enter_context(marker.open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owned.close()
            raise SetupError(f"another node runs in {self.folder}; wait for its end, or give another folder") from None
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != marker:
                path.unlink()
        return owned

    @property
    def _variables(self) -> dict[str, str]:
        (libraries,) = debian_folder(self._root).glob("usr/lib/*-linux-gnu")
        return configuration.environment(str(libraries.relative_to(debian_folder(self._root))))

    def _site(self) -> Site:
        key, certificate = self.folder / "kubelet-client.key", self.folder / "kubelet-client.crt"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/O=system:masters/CN=kube-apiserver", "-keyout", str(key), "-out", str(certificate)],
            check=True,
            capture_output=True,
        )  # fmt: skip
        return Site(
            address=self._sandbox.address,
            entering=self._sandbox.network,
            users=_USERS,
            api_server_flags=(
                f"--kubelet-client-certificate={certificate}",
                f"--kubelet-client-key={key}",
                # The node's name does not resolve here.
                "--kubelet-preferred-address-types=InternalIP",
                # As the same client it asks the servers of other APIs, at their own addresses: that of metrics.
                f"--proxy-client-cert-file={certificate}",
                f"--proxy-client-key-file={key}",
                f"--requestheader-client-ca-file={certificate}",
                "--requestheader-username-headers=X-Remote-User",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                "--enable-aggregator-routing",
            ),
        )

    def _start_runtime(self) -> None:
        for name, text in {
            "containerd.toml": configuration.containerd(),
            "cni/pods.conflist": configuration.pod_network(),
        }.items():
            self._write(name, text)
        self._spawn("containerd", f"--config={FOLDER}/containerd.toml")
        ask = [*self._sandbox.inside, "ctr", "--address", configuration.CONTAINERD, "version"]
        self._wait_for(
            lambda: subprocess.run(ask, env=self._variables, capture_output=True, check=False).returncode == 0,
            "containerd",
        )
        layer = pack([Entry("pause", self._toolchain / "bin/pause")], self.folder / "pause.tar")
        self.import_images([Image(SANDBOX_IMAGE, [layer], ["/pause"])])

    def _start_node(self, group: str) -> None:
        address, api = self._sandbox.address, self._control_plane.api
        kubeconfigs = {user: f"{FOLDER}/{_CONTROL_PLANE}/{user}.kubeconfig" for user in _USERS}
        self._write("kubelet.json", configuration.kubelet(address, group))
        self._write("kube-proxy.json", configuration.kube_proxy(address, kubeconfigs["kube-proxy"]))
        self._write("Corefile", configuration.corefile(address, kubeconfigs["coredns"]))
        self._spawn(
            "kubelet",
            f"--config={FOLDER}/kubelet.json",
            f"--kubeconfig={kubeconfigs['kubelet']}",
            f"--root-dir={FOLDER}/kubelet",
            f"--hostname-override={NODE}",
            f"--node-ip={address}",
        )
        self._spawn("kube-proxy", f"--config={FOLDER}/kube-proxy.json")
        for user, rules in _RULES.items():
            _allow(api, user, rules)
        self._spawn("coredns", f"-conf={FOLDER}/Corefile")
        self._start_metrics_server(kubeconfigs["metrics-server"])
        self._wait_for(lambda: _is_ready(api.get(f"/api/v1/nodes/{NODE}")), "kubelet")
        self._wait_for(lambda: _answers(f"http://{address}:{configuration.DNS_READY_PORT}/ready"), "coredns")

    def _start_metrics_server(self, kubeconfig: str) -> None:
        """It reads the node every 15 s, so its first figures come half a minute later: `wait_for_metrics`."""
        self._spawn(
            "metrics-server",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={self._sandbox.address}",
            f"--secure-port={configuration.METRICS_PORT}",
            f"--cert-dir={FOLDER}/metrics-server",
            # The kubelet's certificate is its own.
            "--kubelet-insecure-tls",
            "--kubelet-preferred-address-types=InternalIP",
            "--metric-resolution=15s",
        )
        for path, resource in configuration.metrics_api(self._sandbox.address).items():
            self._control_plane.api.create(path, resource)

    def wait_for_metrics(self) -> None:
        """Return when the API of metrics knows what the node uses, as an autoscaler asks for."""
        api = self._control_plane.api
        self._wait_for(lambda: json.loads(api.get(f"{_METRICS}/nodes") or b"{}").get("items"), "metrics-server")

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def _spawn(self, program: str, *arguments: str) -> None:
        with self._log(program).open("ab") as log:
            self._running[program] = subprocess.Popen(
                [*self._sandbox.inside, program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._variables,
                # Ctrl-C goes to this process alone, which then stops the programs.
                start_new_session=True,
            )

    def _end(self) -> None:
        """End the commands that entered the sandbox; the programs inside end with the sandbox."""
        for process in self._running.values():
            process.kill()
            process.wait()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _tail(self, name: str) -> str:
        return f"the end of {self._log(name)}:\n{self._log(name).read_text(errors='replace')[-_LOG_TAIL_CHARS:]}"

    def _wait_for(self, condition: Callable[[], object], program: str) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not condition():
            gone = [name for name, process in self._running.items() if process.poll() is not None]
            if gone or time.monotonic() > deadline:
                why = f"{' and '.join(gone)} ended" if gone else f"it is not ready after {_START_TIMEOUT_S:.0f} s"
                raise SetupError(f"{program} did not start: {why}; {self._tail(gone[0] if gone else program)}")
            time.sleep(_POLL_INTERVAL_S)


def _remove_all_but_logs(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and path.name == _CONTROL_PLANE:
            _remove_all_but_logs(path)
        elif path.is_dir():
            shutil.rmtree(path)
        elif path.suffix != ".log" and path.name != _LOCK:
            path.unlink()


def _allow(api: Api, user: str, rules: list[dict[str, Any]]) -> None:
    api.create(f"{_RBAC}/clusterroles", {"metadata": {"name": user}, "rules": rules})
    api.create(
        f"{_RBAC}/clusterrolebindings",
        {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        },
    )


def _is_ready(answer: bytes | None) -> bool:
    if answer is None:
        return False
    node = json.loads(answer)
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in node["status"].get("conditions", [])
    )
    return ready and not node["spec"].get("taints")


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=1):
            return True
    except (URLError, OSError):
        return False
