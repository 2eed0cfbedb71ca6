"""Pulumi's provider plugins: the versions that the program needs, and where Pulumi finds them."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class ProviderPlugin:
    """A plugin by the name that Pulumi gives it."""

    name: str

    @property
    def version(self) -> str:
        """That of the provider's Python package, which asks Pulumi for no other."""
        return metadata.version(f"pulumi-{self.name}")

    @property
    def install_command(self) -> tuple[str, ...]:
        return ("pulumi", "plugin", "install", "resource", self.name, self.version)

    def find(self, environment: Mapping[str, str]) -> Path | None:
        """The plugin on PATH, or the folder that Pulumi downloaded it into; None where it is missing."""
        if on_path := shutil.which(f"pulumi-resource-{self.name}", path=environment.get("PATH")):
            return Path(on_path)
        home = Path(environment.get("PULUMI_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".pulumi")
        downloaded = home / f"plugins/resource-{self.name}-v{self.version}"
        return downloaded if downloaded.is_dir() else None


GCP, KUBERNETES = ProviderPlugin("gcp"), ProviderPlugin("kubernetes")
