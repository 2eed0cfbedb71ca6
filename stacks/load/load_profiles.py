"""Load profiles: what the generator sends, in one of several modes, and for how long.

Each mode has a `title`, and a `description` for reports. `rate_is_fixed`: the goodput follows from the profile, so that
repeats of a run differ in their latency. `most_in_flight`: how many requests it has in flight at most, on all replicas.
`plan_values` are what the generator's plan of the load is made of, by loadtest.generator.plan.load_plan.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from stacks.frozen import Frozen

# The most requests of one run. Its rows are read at once, 77 bytes each: a report of more would take over 2 GiB.
MOST_REQUESTS = 25_000_000

# The most rates of a curve: one each minute of a day.
MOST_RATES = 1441

_InFlight = Annotated[
    int,
    Field(
        ge=1,
        le=10_000,
        description="Requests in flight at most; one more that is due is counted as not_sent. Give a few times the rate"
        " multiplied by the latency that you expect, in s.",
    ),
]
_Seed = Annotated[
    int,
    Field(
        ge=0, description="Seed of poisson arrivals: the same seed gives the same times. Each repeat adds one to it."
    ),
]


class _Timed(Frozen):
    mode: str
    warmup_s: Annotated[float, Field(ge=0, le=3600, description="Longest warm-up before the ramp, not counted, in s.")]
    duration_s: Annotated[
        float, Field(gt=0, le=24 * 3600, description="Ramp and hold together, in s. Give up to a day.")
    ]

    @property
    def total_s(self) -> float:
        return self.warmup_s + self.duration_s

    @property
    def plan_values(self) -> dict[str, Any]:
        return self.model_dump()


class Segment(NamedTuple):
    """A part of a schedule: its phase, `ramp` or `hold`, and a rate that changes evenly."""

    phase: str
    from_rps: float
    to_rps: float
    duration_s: float


class Scheduled(_Timed):
    """A schedule decides when requests are sent, as independent callers do, who do not wait for each other's answers.

    First one request at a time until the server is warm, for at most `warmup_s` (`warmup`), then the `segments`, which
    take `duration_s` together. `is_steady`: a run whose latency or throughput changes in the hold phase is invalid.
    `rate_text` is the setting of the highest rate, as messages say it.
    """

    rate_is_fixed: ClassVar[bool] = True
    is_steady: ClassVar[bool]
    rate_text: ClassVar[str] = "rateRps is"

    arrivals: Annotated[
        Literal["constant", "poisson"],
        Field(description="Give constant (evenly spaced) or poisson (as independent callers arrive)."),
    ]
    seed: _Seed
    max_in_flight: _InFlight

    @property
    def segments(self) -> Sequence[Segment]:
        raise NotImplementedError

    @property
    def peak_rps(self) -> float:
        return max(max(part.from_rps, part.to_rps) for part in self.segments)

    @property
    def most_requests(self) -> float:
        scheduled = sum((part.from_rps + part.to_rps) / 2 * part.duration_s for part in self.segments)
        return scheduled + self.peak_rps * self.warmup_s

    @property
    def most_in_flight(self) -> int:
        return self.max_in_flight

    @property
    def plan_values(self) -> dict[str, Any]:
        """Those of an open loop, whatever the mode: the generator plays the segments."""
        kept = self.model_dump(include={"warmup_s", "duration_s", "arrivals", "seed", "max_in_flight"})
        return kept | {"mode": "open", "is_steady": self.is_steady, "segments": self.segments}

    @property
    def _requests_text(self) -> str:
        seed = f" (seed {self.seed})" if self.arrivals == "poisson" else ""
        return f"{self.arrivals} arrivals{seed}, at most {self.max_in_flight} in flight"


class ClosedLoop(_Timed):
    """Each user sends, waits for the answer, pauses `wait_s`, and sends again.

    Users with constant pauses fall into step: two whose requests overlap once do so again and again. Exponential pauses
    with the mean `wait_s` prevent that.

    First one user until the server is warm, for at most `warmup_s` (phase `warmup`, not counted), then users are added
    at `spawn_rate_per_s` (`ramp`) until all `users` run (`hold`). `duration_s` is ramp and hold together, as in the
    published experiment.
    """

    title: ClassVar[str] = "a closed loop"
    rate_is_fixed: ClassVar[bool] = False

    mode: Literal["closed"] = "closed"
    users: Annotated[int, Field(ge=1, le=10_000, description="Number of users. Give 1 to 10000.")]
    spawn_rate_per_s: Annotated[float, Field(gt=0, le=1_000, description="Users added per second. Give more than 0.")]
    wait_s: Annotated[float, Field(ge=0, le=3600, description="Pause between an answer and the next request, in s.")]
    pauses: Annotated[
        Literal["constant", "exponential"],
        Field(description="Give constant (each takes waitS) or exponential (random, waitS on average)."),
    ] = "constant"

    @model_validator(mode="after")
    def _the_hold_phase_comes(self) -> Self:
        if self.hold_s <= 0:
            raise ValueError(
                f"{self.users} users at {self.spawn_rate_per_s:g} a second take {self.ramp_s:g} s to start, but"
                f" durationS is {self.duration_s:g}, so there would be no hold phase to measure;"
                " give a longer durationS, a higher spawnRatePerS or fewer users"
            )
        return self

    @property
    def ramp_s(self) -> float:
        """How long it takes until all users have started, in seconds."""
        return self.users / self.spawn_rate_per_s

    @property
    def hold_s(self) -> float:
        """How long all users run, in seconds; with 0 or less there is no hold phase."""
        return self.duration_s - self.ramp_s

    @property
    def most_in_flight(self) -> int:
        return self.users

    @property
    def description(self) -> str:
        wait = f"{self.wait_s:g} s wait{' on average' if self.pauses == 'exponential' else ''}"
        users = f"{self.users} user{'s' * (self.users != 1)}"
        return f"closed loop: {users}, {self.spawn_rate_per_s:g} started per second, {wait}"


class OpenLoop(Scheduled):
    """The rate grows from 0 over `ramp_s` (`ramp`) and stays at `rate_rps` (`hold`)."""

    title: ClassVar[str] = "an open loop"
    is_steady: ClassVar[bool] = True

    mode: Literal["open"] = "open"
    rate_rps: Annotated[
        float, Field(gt=0, le=100_000, description="Requests per second in the hold phase. Give more than 0.")
    ]
    ramp_s: Annotated[float, Field(ge=0, le=3600, description="How long the rate grows before the hold phase, in s.")]

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
        return self.duration_s - self.ramp_s

    @property
    def segments(self) -> Sequence[Segment]:
        return (
            Segment("ramp", 0.0, self.rate_rps, self.ramp_s),
            Segment("hold", self.rate_rps, self.rate_rps, self.hold_s),
        )

    @property
    def description(self) -> str:
        return f"open loop: {self.rate_rps:g} requests/s, {self.ramp_s:g} s ramp, {self._requests_text}"


class TrafficCurve(Scheduled):
    """The rate follows a curve, such as that of a day in a shorter time; all of it is `hold`.

    `rates_rps` are its rates at even intervals over `duration_s`, with straight lines between them.
    """

    title: ClassVar[str] = "traffic along a curve"
    is_steady: ClassVar[bool] = False
    rate_text: ClassVar[str] = "ratesRps go up to"

    mode: Literal["curve"] = "curve"
    rates_rps: Annotated[
        tuple[Annotated[float, Field(ge=0, le=100_000)], ...],
        Field(
            strict=False,
            min_length=2,
            max_length=MOST_RATES,
            description="Requests per second at even intervals, from the beginning to the end of durationS, and on"
            " straight lines between them. Give two or more, such as [2, 8, 2].",
        ),
    ]

    @model_validator(mode="after")
    def _something_is_sent(self) -> Self:
        if not any(self.rates_rps):
            raise ValueError("ratesRps are all 0, so nothing would be sent; give requests per second above 0")
        return self

    @property
    def segments(self) -> Sequence[Segment]:
        interval_s = self.duration_s / (len(self.rates_rps) - 1)
        return tuple(Segment("hold", rate, following, interval_s) for rate, following in pairwise(self.rates_rps))

    @property
    def description(self) -> str:
        return (
            f"open loop along a curve of {min(self.rates_rps):g} to {self.peak_rps:g} requests/s over"
            f" {self.duration_s:g} s, {self._requests_text}"
        )


class CapacitySearch(_Timed):
    """Finds the highest rate at which `quantile` of the requests take at most `latency_ms` and `error_ratio` fail.

    An open loop that changes its rate, each a phase `step-<n>`: constant arrivals on the way to the capacity, Poisson
    arrivals near it. Stacks with the same `seed` get the same arrivals.
    """

    title: ClassVar[str] = "a capacity search"
    rate_is_fixed: ClassVar[bool] = False

    mode: Literal["capacity"] = "capacity"
    quantile: Annotated[
        float,
        Field(
            ge=0.5, le=0.999, description="Share of answers that must meet the latency limit. Give 0.9, 0.95 or 0.99."
        ),
    ]
    latency_ms: Annotated[float, Field(gt=0, le=600_000, description="Latency limit, in ms.")]
    error_ratio: Annotated[float, Field(gt=0, le=0.5, description="Share of requests that may fail. Give 0.001.")]
    lowest_rps: Annotated[float, Field(gt=0, description="The lowest rate to try, in requests per second.")]
    highest_rps: Annotated[
        float, Field(le=100_000, description="The highest rate to try; the generator must be able to send it.")
    ]
    precision: Annotated[
        float,
        Field(
            ge=0.002, le=0.5, description="Relative width of the interval at which the search ends. Give 0.05 to 0.2."
        ),
    ]
    seed: _Seed = 1
    max_in_flight: _InFlight
    warmup_s: Annotated[
        float, Field(gt=0, le=3600, description="Longest warm-up, in s; the search begins at its rate. Give 5 to 60.")
    ]
    duration_s: Annotated[float, Field(gt=0, le=24 * 3600, description="Longest time for the search, in s.")]

    @model_validator(mode="after")
    def _there_are_rates_between(self) -> Self:
        if self.highest_rps <= self.lowest_rps:
            raise ValueError(
                f"highestRps is {self.highest_rps:g} and lowestRps {self.lowest_rps:g}, so there would be no rate to"
                " try between them; give a higher highestRps"
            )
        return self

    @property
    def most_in_flight(self) -> int:
        return self.max_in_flight

    @property
    def description(self) -> str:
        return (
            f"capacity search: highest rate with p{self.quantile * 100:g} within {self.latency_ms:g} ms and at most"
            f" {100 * self.error_ratio:g} % errors, at most {self.max_in_flight} in flight"
        )


LoadProfile = Annotated[ClosedLoop | OpenLoop | TrafficCurve | CapacitySearch, Field(discriminator="mode")]

# docs/measurement.md gives the source of each choice.
PROFILES: dict[str, LoadProfile] = {
    # The published experiment (TensorFlow blog, 2022-07-28): 150 users, one per second, 5 minutes in all.
    "seed": ClosedLoop(users=150, spawn_rate_per_s=1, wait_s=1, warmup_s=0, duration_s=300),
    # For two cores that generator and server share: the hold phase stays below saturation.
    "laptop": ClosedLoop(users=16, spawn_rate_per_s=1, wait_s=1, warmup_s=5, duration_s=46),
    # A few seconds, for tests.
    "smoke": ClosedLoop(users=4, spawn_rate_per_s=4, wait_s=0.1, warmup_s=1, duration_s=6),
    # Independent callers, at half the capacity of two laptop cores; override rateRps elsewhere.
    "open": OpenLoop(rate_rps=6, arrivals="poisson", seed=1, max_in_flight=256, warmup_s=20, ramp_s=5, duration_s=65),
    # Up and down once, for an autoscaler to follow. `shapebench day --load` gives the rates of your own day.
    "curve": TrafficCurve(
        rates_rps=(2, 3, 6, 8, 6, 3, 2), arrivals="poisson", seed=1, max_in_flight=256, warmup_s=20, duration_s=900
    ),
    # The capacity in five minutes. A stack states its own objective in `shapebench:objective`.
    "capacity": CapacitySearch(
        quantile=0.99,
        latency_ms=500,
        error_ratio=0.001,
        lowest_rps=0.5,
        highest_rps=2000,
        precision=0.1,
        max_in_flight=256,
        warmup_s=20,
        duration_s=300,
    ),
}
