"""Checks that the settings accept every stack file, and that `Pulumi.yaml` declares its keys."""

from stacks.explain import SettingsError
from stacks.files import load_settings, stack_names


def problems() -> list[str]:
    """The errors of the settings, stack by stack."""
    found: list[str] = []
    for stack in stack_names():
        try:
            load_settings(stack)
        except SettingsError as error:
            found.append(f"stacks/Pulumi.{stack}.yaml: {error}")
    return found or (
        [] if stack_names() else ["stacks/ holds no Pulumi.<stack>.yaml, so there is no stack to create; add one"]
    )
