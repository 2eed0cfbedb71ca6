"""gke-gcloud-auth-plugin, which the kubeconfig of a GKE stack runs for each connection: its command, and a trial run.

It shall act as the same user as Pulumi's Google provider, so it uses Application Default Credentials. Its other way is
gcloud's own login, which the provider does not know. Source of flags, answer and errors: kubernetes/cloud-provider-gcp,
cmd/gke-gcloud-auth-plugin/cred.go.
"""

import json
import re
import shutil
import subprocess

AUTH_PLUGIN = "gke-gcloud-auth-plugin"
ARGUMENTS = ("--use_application_default_credentials",)
# gcloud from a distribution's packages refuses to install components. Source of both ways:
# https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl
INSTALL_COMMANDS = (
    f"gcloud components install {AUTH_PLUGIN}",
    f"sudo apt-get install google-cloud-cli-{AUTH_PLUGIN}  # where gcloud is installed with apt",
)

# The login that both use.
LOGIN = "gcloud auth application-default login"

_TRIAL_LIMIT_S = 30.0
_MESSAGE_LENGTH = 300
# The head of a line of Go's klog: severity, time, process and place.
_LOG_HEAD = re.compile(r"^[IWEF]\d{4} [^\]]*\] ")
_SECRET = re.compile(r"ya29\.\S+|eyJ[\w-]+\.\S+")


class PluginMissingError(Exception):
    """The plugin cannot be run; the message says why, and what follows."""


class PluginFailedError(Exception):
    """The plugin gave no credential; the message says why, without what it printed to its standard output."""


def try_plugin() -> None:
    """Run the plugin once, as the kubeconfig does; raises PluginMissingError or PluginFailedError."""
    program = shutil.which(AUTH_PLUGIN)
    if program is None:
        raise PluginMissingError(f"{AUTH_PLUGIN} is not on PATH, so nothing can be deployed to the cluster")
    try:
        done = subprocess.run(
            [program, *ARGUMENTS],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TRIAL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PluginFailedError(f"it did not answer within {_TRIAL_LIMIT_S:.0f} s") from None
    except OSError as error:
        raise PluginMissingError(
            f"{AUTH_PLUGIN} cannot be run ({error.strerror}), so nothing can be deployed to the cluster"
        ) from None
    if done.returncode != 0:
        lines = [_LOG_HEAD.sub("", line.strip()) for line in done.stderr.splitlines() if line.strip()]
        said = _SECRET.sub("(token)", lines[-1])[:_MESSAGE_LENGTH] if lines else "it printed no error"
        raise PluginFailedError(f"exit code {done.returncode}: {said}")
    if not _holds_token(done.stdout):
        raise PluginFailedError("its answer is not an ExecCredential with a token")


def _holds_token(answer: str) -> bool:
    try:
        document = json.loads(answer)
        return document["kind"] == "ExecCredential" and bool(document["status"]["token"])
    except (ValueError, KeyError, TypeError):
        return False
