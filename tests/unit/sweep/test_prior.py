"""What is known of stacks beforehand: which are wrong alike, and which are measured first."""

import math

import pytest

from stacks.machines.shapes import NodeShape, ShapeSettings, shape_name
from sweep.prior import StackPrior, by_promise, priors_of


def priced(machine_type: str, nodes: int, usd_hourly: float) -> tuple[str, tuple[NodeShape, float]]:
    name = shape_name(nodes, machine_type)
    return name, (NodeShape.of(name, ShapeSettings(machine_type=machine_type, nodes=nodes)), usd_hourly)


def test_twice_the_price_is_twice_the_cost_and_stacks_of_a_series_are_wrong_alike_but_for_size_and_themselves() -> None:
    priors = priors_of(
        dict([priced("n2-standard-4", 4, 1.0), priced("n2-highmem-4", 4, 2.0), priced("n2-standard-8", 2, 1.0)])
    )
    cheap, dear, large = priors.values()
    assert dear.log_cost - cheap.log_cost == pytest.approx(math.log(2))
    assert large.log_cost == pytest.approx(cheap.log_cost)
    alone = {name.split()[0] for name in cheap.parts.keys() - dear.parts.keys()}
    assert alone == {"stack"}
    assert {name.split()[0] for name in cheap.parts.keys() - large.parts.keys()} == {"stack", "nodes"}


def test_stacks_with_one_cpu_share_what_is_least_known_of_them() -> None:
    same, also, other = priors_of(
        dict([priced("c3d-standard-4", 4, 1.0), priced("c3d-highmem-8", 2, 1.0), priced("n4-standard-4", 4, 1.0)])
    ).values()
    assert same.least_known == also.least_known
    assert same.least_known.startswith("CPU ")
    assert same.least_known != other.least_known


def prior(log_cost: float, cpu: str) -> StackPrior:
    return StackPrior(log_cost=log_cost, parts={f"CPU {cpu}": 0.4, "stack": 0.05})


def test_the_cheapest_of_each_cpu_is_measured_first() -> None:
    priors = {"a1": prior(0.3, "A"), "b1": prior(0.2, "B"), "a2": prior(0.1, "A"), "b2": prior(0.4, "B")}
    assert by_promise(priors) == ["a2", "b1", "a1", "b2"]


def test_another_part_is_one_more() -> None:
    assert prior(0.0, "A").with_part("candidate x", 0.1).parts == {"CPU A": 0.4, "stack": 0.05, "candidate x": 0.1}
