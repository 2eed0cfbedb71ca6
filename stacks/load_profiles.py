"""Load profiles: what the generator asks of the server, in which of three ways, and for how long."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from stacks.frozen import Frozen

MODES = ("closed", "open", "capacity")

_InFlight = Annotated[
    int,
    Field(
        ge=1,
        le=10_000,
        description="Requests under way at most; one more that is due is counted as not_sent. Give a few times the rate"
        " multiplied by the latency that you expect, in s.",
    ),
]


class ClosedLoop(Frozen):
    """Each user sends, waits for the answer, pauses `wait_s`, and sends again.

    First one user until the server is warm, `warmup_s` at most (marked `warmup`, counted nowhere), then users are added
    at `spawn_rate_per_s` (`ramp`) until all `users` are there (`hold`). `duration_s` is ramp and hold together, as the
    published experiment counts it.
    """

    mode: Literal["closed"] = "closed"
    users: Annotated[int, Field(ge=1, le=10_000, description="Users that ask in turn. Give 1 to 10000.")]
    spawn_rate_per_s: Annotated[float, Field(gt=0, le=1_000, description="Users added a second. Give more than 0.")]
    wait_s: Annotated[float, Field(ge=0, le=3600, description="Pause between an answer and the next request, in s.")]
    warmup_s: Annotated[float, Field(ge=0, le=3600, description="Longest time before the ramp, counted nowhere, in s.")]
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
        """How long the generator asks at most, warm-up included, in seconds."""
        return self.warmup_s + self.duration_s


class OpenLoop(Frozen):
    """Requests are sent when a schedule says so, whatever became of those before: independent callers do not wait.

    First one request after another until the server is warm, `warmup_s` at most (`warmup`), then the rate grows from 0
    over `ramp_s` (`ramp`) and stays at `rate_rps` (`hold`). `duration_s` is ramp and hold together.
    """

    mode: Literal["open"] = "open"
    rate_rps: Annotated[float, Field(gt=0, le=100_000, description="Requests a second in the hold. Give more than 0.")]
    arrivals: Annotated[
        Literal["constant", "poisson"],
        Field(description="constant (evenly spaced) or poisson (as independent callers come)."),
    ]
    seed: Annotated[int, Field(ge=0, description="Of the poisson arrivals; the same seed gives the same times.")]
    max_in_flight: _InFlight
    warmup_s: Annotated[float, Field(ge=0, le=3600, description="Longest time before the ramp, counted nowhere, in s.")]
    ramp_s: Annotated[float, Field(ge=0, le=3600, description="How long the rate grows before it is held, in s.")]
    duration_s: Annotated[
        float, Field(gt=0, le=24 * 3600, description="Ramp and hold together, in s. Give up to a day.")
    ]

    @model_validator(mode="after")
    def _the_hold_phase_comes(self) -> Self:
        if self.hold_s <= 0:
            raise ValueError(
                f"rampS is {self.ramp_s:g} and durationS, which includes it, is {self.duration_s:g}, so there would be"
                " no hold phase to measure; give a longer durationS"
            )
        return self

    @property
    def hold_s(self) -> float:
        """How long the rate is held, in seconds."""
        return self.duration_s - self.ramp_s

    @property
    def total_s(self) -> float:
        """How long the generator asks at most, warm-up included, in seconds."""
        return self.warmup_s + self.duration_s


class CapacitySearch(Frozen):
    """Finds the highest rate at which `quantile` of the answers take `latency_ms` at most and `error_ratio` fail.

    An open loop of constant arrivals that changes its own rate: each rate is a phase `step-<n>`.
    """

    mode: Literal["capacity"] = "capacity"
    quantile: Annotated[
        float,
        Field(ge=0.5, le=0.999, description="Share of answers that must come in time. Give 0.9, 0.95 or 0.99."),
    ]
    latency_ms: Annotated[float, Field(gt=0, le=600_000, description="In time means within so many ms.")]
    error_ratio: Annotated[float, Field(gt=0, le=0.5, description="Share of requests that may fail. Give 0.001.")]
    lowest_rps: Annotated[float, Field(gt=0, description="The lowest rate to try; nothing lower is of interest.")]
    highest_rps: Annotated[
        float, Field(le=100_000, description="The highest rate to try; what your generator can send is a bound.")
    ]
    precision: Annotated[
        float, Field(ge=0.002, le=0.5, description="Width of the interval to stop at, as a share. Give 0.01 to 0.1.")
    ]
    max_in_flight: _InFlight
    warmup_s: Annotated[
        float, Field(gt=0, le=3600, description="Longest warm-up, in s; it also shows where to begin. Give 5 to 60.")
    ]
    duration_s: Annotated[float, Field(gt=0, le=24 * 3600, description="Longest time for the search, in s.")]

    @model_validator(mode="after")
    def _there_is_something_between(self) -> Self:
        if self.highest_rps <= self.lowest_rps:
            raise ValueError(
                f"highestRps is {self.highest_rps:g} and lowestRps {self.lowest_rps:g}, so there would be no rate to"
                " search between; give a higher highestRps"
            )
        return self

    @property
    def total_s(self) -> float:
        """How long the generator asks at most, warm-up included, in seconds."""
        return self.warmup_s + self.duration_s


LoadProfile = Annotated[ClosedLoop | OpenLoop | CapacitySearch, Field(discriminator="mode")]

_ADAPTER: TypeAdapter[ClosedLoop | OpenLoop | CapacitySearch] = TypeAdapter(LoadProfile)


def load_profile(values: Any) -> ClosedLoop | OpenLoop | CapacitySearch:  # noqa: ANN401 - what a state holds
    """The profile that its `model_dump` was made of."""
    return _ADAPTER.validate_python(values)


# docs/measurement.md says where each choice comes from.
PROFILES: dict[str, ClosedLoop | OpenLoop | CapacitySearch] = {
    # The published experiment (REFERENCE: TensorFlow blog, 2022-07-28): 150 users, one a second, 5 minutes in all.
    "seed": ClosedLoop(users=150, spawn_rate_per_s=1, wait_s=1, warmup_s=0, duration_s=300),
    # Fits two cores that generator and server share: the ramp shows the climb, the hold stays short of saturation.
    "laptop": ClosedLoop(users=16, spawn_rate_per_s=1, wait_s=1, warmup_s=5, duration_s=46),
    # Long enough to see rows, short enough for a test.
    "smoke": ClosedLoop(users=4, spawn_rate_per_s=4, wait_s=0.1, warmup_s=1, duration_s=6),
    # Callers who do not know of each other, at half of what two laptop cores bear; override rateRps elsewhere.
    "open": OpenLoop(rate_rps=6, arrivals="poisson", seed=1, max_in_flight=256, warmup_s=20, ramp_s=5, duration_s=65),
    # What the cheapest shape is cheapest at: requests a second within half a second, for 99 of 100.
    "capacity": CapacitySearch(
        quantile=0.99,
        latency_ms=500,
        error_ratio=0.001,
        lowest_rps=0.5,
        highest_rps=2000,
        precision=0.02,
        max_in_flight=256,
        warmup_s=20,
        duration_s=600,
    ),
}
