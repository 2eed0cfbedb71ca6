"""Finds secrets of a stack that an empty passphrase would encrypt: whoever has the stack file or the state has them."""

from collections.abc import Collection, Mapping
from pathlib import Path

# What gives access to Google Cloud, also where it is set as plain text. Pulumi keeps it in the state as a secret.
_CREDENTIALS = ("gcp:accessToken", "gcp:credentials")


def why_secrets_are_unprotected(
    stack: str,
    config: Mapping[str, str],
    secret_keys: Collection[str],
    environment: Mapping[str, str],
    stack_file: Path,
) -> str | None:
    """Why the stack is refused; None where it has no secrets, or they are protected.

    `config` and `secret_keys` are the stack's configuration by full key, and which keys of it are secrets.
    """
    secrets = sorted({*secret_keys, *(key for key in _CREDENTIALS if _is_secret(config.get(key, "")))})
    if not secrets or not _passphrase_is_empty(environment) or _has_other_provider(stack_file):
        return None
    removals = ", ".join(f"`pulumi config rm {key} --stack {stack}`" for key in secrets)
    return (
        f"the passphrase of stack {stack} is empty, so whoever has the stack file or the state can read"
        f" {', '.join(secrets)}, and the stack is refused. Do one of these:\n"
        f"- Remove the secrets: {removals}. For access to Google Cloud the stack needs none: run"
        " `gcloud auth application-default login`.\n"
        f"- Protect them: run `pulumi stack change-secrets-provider passphrase --stack {stack}`, and set"
        " PULUMI_CONFIG_PASSPHRASE to the new passphrase. The old secrets could be read until now, so revoke them, make"
        " new ones, and store those with `pulumi config set --secret`."
    )


def _is_secret(value: str) -> bool:
    """Whether it is more than the path of a file."""
    return bool(value) and not Path(value).is_file()


def _passphrase_is_empty(environment: Mapping[str, str]) -> bool:
    """As Pulumi reads it: the variable, else the file, else it asks the user.

    https://www.pulumi.com/docs/iac/cli/environment-variables/, and pkg/secrets/passphrase in its sources.
    """
    if "PULUMI_CONFIG_PASSPHRASE" in environment:
        return not environment["PULUMI_CONFIG_PASSPHRASE"]
    if file := environment.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        try:
            return not Path(file).read_text(encoding="utf-8").strip()
        except OSError:
            return False  # Pulumi itself could not read it, and reports that
    return False


def _has_other_provider(stack_file: Path) -> bool:
    """Whether a key of a cloud, or Pulumi Cloud, encrypts the stack's secrets: the file names it."""
    try:
        lines = stack_file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(line.startswith("secretsprovider:") and "passphrase" not in line for line in lines)
