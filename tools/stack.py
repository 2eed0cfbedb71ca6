"""Makes the `local` stack where it is missing, as `pulumi up --stack local` does not."""

import re
import subprocess
import sys
from pathlib import Path

from tools.console import SetupError, say
from tools.pins import ROOT


def activated_environment(root: Path = ROOT) -> dict[str, str]:
    """This process's environment as `tools/env.sh` changes it: the rule for backend and passphrase is there only."""
    asked = subprocess.run(
        ["/bin/sh", "-c", ". ./tools/env.sh && env -0"], cwd=root, capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        raise SetupError(f"tools/env.sh fails, so no tool is found: {asked.stderr.strip()}")
    return dict(pair.split("=", 1) for pair in asked.stdout.split("\0") if pair)


def uses_embedded_backend(environment: dict[str, str]) -> bool:
    """Whether the state is kept in this checkout, because the user has chosen no backend."""
    return environment.get("PULUMI_BACKEND_URL") == environment["SHAPEBENCH_EMBEDDED_BACKEND"]


def embedded_stack_file(root: Path, stack: str) -> Path:
    """Where the embedded backend keeps a stack's state."""
    return root / ".state/.pulumi/stacks/shapebench" / f"{stack}.json"


def ensure_stack(root: Path, stack: str) -> bool:
    """Make the stack if it is missing; returns whether it was."""
    environment = activated_environment(root)
    embedded = uses_embedded_backend(environment)
    if embedded and embedded_stack_file(root, stack).exists():
        return False
    _drop_the_salt_of_another_stack(root, stack)
    made = subprocess.run(
        ["pulumi", "stack", "init", stack, "--no-select", "--non-interactive"],  # noqa: S607 (tools/env.sh sets PATH)
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode == 0:
        say(f"made the stack {stack} in {'.state' if embedded else 'your backend'}")
        return True
    if "already exists" in made.stderr:
        return False
    raise SetupError(f"the stack {stack} cannot be made, so there is nothing to bring up:\n{made.stderr.strip()}")


def _drop_the_salt_of_another_stack(root: Path, stack: str) -> None:
    """A salt in the file is that of an earlier stack, perhaps in another backend; the new one gets its own."""
    settings = root / "stacks" / f"Pulumi.{stack}.yaml"
    text = settings.read_text()
    if "secure:" not in text:  # which only the salt at hand could decrypt
        settings.write_text(re.sub(r"^encryptionsalt:.*\n", "", text, flags=re.MULTILINE))


if __name__ == "__main__":
    try:
        ensure_stack(ROOT, sys.argv[1])
    except SetupError as error:
        sys.exit(f"setup: {error}")
