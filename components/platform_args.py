"""The arguments of every platform."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from loadtest.run.payload import Sent, sent
from loadtest.run.pod import payload_parts
from loadtest.run.saved_model import model_of
from stacks.server.models import Model
from stacks.settings import Settings


@dataclass
class PlatformArgs:
    """The stack's name and settings, and the checkout for exports, state and results."""

    stack: str
    settings: Settings
    checkout: Path

    @cached_property
    def model(self) -> Model:
        """What is served; raises SettingsError where that is not known."""
        settings = self.settings
        return model_of(
            settings.model,
            self.checkout,
            is_recorded=settings.payload.path is not None,
            protocol=settings.serving.protocol,
        )

    @cached_property
    def sent(self) -> Sent:
        """What requests carry; raises SettingsError where model or protocol do not take it."""
        return sent(self.model, self.settings.payload, self.checkout, self.settings.sent_over)

    @cached_property
    def payload_parts(self) -> dict[str, bytes]:
        """The same for a pod, by the keys of ConfigMaps; raises SettingsError where they are too many."""
        return payload_parts(self.sent.payload.to_bytes())
