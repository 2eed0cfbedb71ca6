"""Load profiles: what the generator asks of the server, and for how long."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stacks.model import Frozen


class LoadProfile(Frozen):
    """A closed loop: each user sends, waits for the answer, pauses `wait_s`, and sends again.

    First `warmup_s` with one user (marked `warmup`, counted nowhere), then users are added at `spawn_rate_per_s`
    (`ramp`) until all `users` are there (`hold`). `duration_s` is ramp and hold together, as the published
    experiment counts it.
    """

    mode: Literal["closed"] = "closed"
    users: Annotated[int, Field(ge=1, le=10_000, description="Users that ask in turn. Give 1 to 10000.")]
    spawn_rate_per_s: Annotated[float, Field(gt=0, le=1_000, description="Users added a second. Give more than 0.")]
    wait_s: Annotated[float, Field(ge=0, le=3600, description="Pause between an answer and the next request, in s.")]
    warmup_s: Annotated[float, Field(ge=0, le=3600, description="Time before the ramp that counts nowhere, in s.")]
    duration_s: Annotated[
        float, Field(gt=0, le=24 * 3600, description="Ramp and hold together, in s. Give up to a day.")
    ]

    @model_validator(mode="after")
    def _the_hold_phase_comes(self) -> Self:
        if self.hold_s <= 0:
            raise ValueError(
                f"{self.users} users at {self.spawn_rate_per_s:g} a second take {self.ramp_s:g} s to arrive, but"
                f" durationS is {self.duration_s:g}, so there would be no hold phase to measure;"
                " give a longer durationS, a higher spawnRatePerS or fewer users"
            )
        return self

    @property
    def ramp_s(self) -> float:
        """How long it takes until all users are there, in seconds."""
        return self.users / self.spawn_rate_per_s

    @property
    def hold_s(self) -> float:
        """How long all users are there, in seconds; 0 or less means the profile never gets there."""
        return self.duration_s - self.ramp_s

    @property
    def total_s(self) -> float:
        """How long the generator asks, warm-up included, in seconds."""
        return self.warmup_s + self.duration_s


PROFILES: dict[str, LoadProfile] = {
    # The published experiment (REFERENCE: TensorFlow blog, 2022-07-28): 150 users, one a second, 5 minutes in all.
    "seed": LoadProfile(users=150, spawn_rate_per_s=1, wait_s=1, warmup_s=0, duration_s=300),
    # Fits two cores that generator and server share: the ramp shows the climb, the hold stays short of saturation.
    "laptop": LoadProfile(users=16, spawn_rate_per_s=1, wait_s=1, warmup_s=5, duration_s=46),
    # Long enough to see rows, short enough for a test.
    "smoke": LoadProfile(users=4, spawn_rate_per_s=4, wait_s=0.1, warmup_s=1, duration_s=6),
}
