"""The generator's pod: its paths, its scripts, and the commands of its containers.

The program that declares the pod imports this; the pod itself does not have it.
"""

from pathlib import Path, PurePosixPath

from loadtest.run.locust_process import LOCUST_OPTIONS
from stacks.explain import SettingsError

# What a ConfigMap holds, before it is encoded: MaxSecretSize in kubernetes/kubernetes, pkg/apis/core/types.go.
_MOST_BYTES = 2**20
# Of ConfigMaps with the payload. Each stays in the cluster's store and in Pulumi's state.
_MOST_PARTS = 24

# The pod has this folder and the package that it is in, and nothing else of the project.
_CHECKOUT = Path(__file__).parents[2]
_GENERATOR = _CHECKOUT / "loadtest/generator"

ROOT = PurePosixPath("/shapebench")
SCRIPTS_DIR = ROOT / "scripts"
PAYLOAD_DIR = ROOT / "payload"
WORK_DIR = ROOT / "work"
PLAN = WORK_DIR / "plan.json"

LOCUST_COMMAND = ("locust", "-f", str(SCRIPTS_DIR / "loadtest/generator/locustfile.py"), *LOCUST_OPTIONS)


def prepare_command(within_s: float) -> tuple[str, ...]:
    """Writes the request and the plan, and ends when the model answers; fails when it does not within `within_s`."""
    return ("python", "-m", "loadtest.generator.prepare", f"{within_s:g}")


def payload_parts(content: bytes) -> dict[str, bytes]:
    """A payload by the keys of ConfigMaps, each with as much as one holds; in the pod the files are joined again.

    Raises SettingsError where these are too many.
    """
    starts = range(0, len(content), _MOST_BYTES)
    if len(starts) > _MOST_PARTS:
        raise SettingsError(
            f"the requests take {len(starts)} MiB, compressed, but at most {_MOST_PARTS} go to the load generator's"
            " pod; record fewer, or give smaller shapebench:model.shapes"
        )
    return {f"payload-{number:03}": content[at : at + _MOST_BYTES] for number, at in enumerate(starts)}


def sidecar_command(command: str, *arguments: str) -> tuple[str, ...]:
    """One of the commands of loadtest.generator.pod.sidecar."""
    return ("python", "-m", "loadtest.generator.pod.sidecar", command, str(WORK_DIR), *arguments)


def scripts() -> dict[str, str]:
    """The generator's sources by ConfigMap key; keys cannot hold slashes, so `script_items` has the path of each."""
    return {_key(path): path.read_text(encoding="utf-8") for path in _sources()}


def script_items() -> list[dict[str, str]]:
    """A ConfigMap volume's `items`: the sources have the same paths below SCRIPTS_DIR as in the checkout."""
    return [{"key": _key(path), "path": str(path.relative_to(_CHECKOUT))} for path in _sources()]


def _sources() -> list[Path]:
    return [_GENERATOR.parent / "__init__.py", *sorted(_GENERATOR.rglob("*.py"))]


def _key(path: Path) -> str:
    return ".".join(path.relative_to(_CHECKOUT).parts)
