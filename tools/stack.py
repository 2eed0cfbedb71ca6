"""Creates a Pulumi stack where it is missing, which `pulumi up` does not do."""

import re
import subprocess
import sys
from pathlib import Path

from tools.console import SetupError, run_setup, say
from tools.pins import ROOT


def activated_environment(root: Path = ROOT) -> dict[str, str]:
    """This process's environment after `tools/env.sh`, the only place that chooses backend and passphrase."""
    sourced = subprocess.run(
        ["/bin/sh", "-c", ". ./tools/env.sh && env -0"], cwd=root, capture_output=True, text=True, check=False
    )
    if sourced.returncode != 0:
        raise SetupError(f"tools/env.sh fails ({sourced.stderr.strip()}), so no tool is found; restore it from git")
    return dict(pair.split("=", 1) for pair in sourced.stdout.split("\0") if pair)


def uses_embedded_backend(environment: dict[str, str]) -> bool:
    """Whether Pulumi keeps its state in this checkout, because the user has chosen no backend."""
    return environment.get("PULUMI_BACKEND_URL") == environment["SHAPEBENCH_EMBEDDED_BACKEND"]


def ensure_stack(root: Path, stack: str) -> bool:
    """Create the stack if it is missing, and say so; returns whether it was."""
    created = create_stack(root, stack)
    if created:
        say(f"created the stack {stack} in {created}")
    return created is not None


def create_stack(root: Path, stack: str) -> str | None:
    """Create the stack if it is missing; returns the backend that it was created in, None where it existed."""
    embedded = uses_embedded_backend(activated_environment(root))
    if embedded and (root / f".state/.pulumi/stacks/shapebench/{stack}.json").exists():
        return None
    # A salt in the file belongs to an earlier stack, perhaps in another backend; the new stack gets its own.
    settings = root / "stacks" / f"Pulumi.{stack}.yaml"
    text = settings.read_text()
    if "secure:" not in text:  # which only the salt at hand could decrypt
        settings.write_text(re.sub(r"^encryptionsalt:.*\n", "", text, flags=re.MULTILINE))
    created = subprocess.run(
        # Through the shell function of tools/env.sh, which removes the new salt from the stack's file.
        ["/bin/sh", "-c", '. ./tools/env.sh && pulumi stack init "$1" --no-select --non-interactive', "sh", stack],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if created.returncode == 0:
        return ".state" if embedded else "your backend"
    if "already exists" in created.stderr:
        return None
    raise SetupError(
        f"the stack {stack} cannot be created, so `pulumi up` has no stack to update. Correct the cause, then try"
        f" again. Pulumi says:\n{created.stderr.strip()}"
    )


if __name__ == "__main__":
    sys.exit(run_setup(lambda: ensure_stack(ROOT, sys.argv[1])))
