"""Whether every stack's file is accepted by the strict settings, and names keys that `Pulumi.yaml` declares."""

from stacks.explain import SettingsError
from stacks.files import load_settings, stack_names


def problems() -> list[str]:
    """What the settings refuse, stack by stack."""
    found: list[str] = []
    for stack in stack_names():
        try:
            load_settings(stack)
        except SettingsError as error:
            found.append(f"stacks/Pulumi.{stack}.yaml: {error}")
    return found or ([] if stack_names() else ["stacks/ holds no Pulumi.<stack>.yaml, so there is nothing to bring up"])
