"""How many nodes a load needs, for capacities that grow in any way."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.planning.fleet.sizing import NoFleetError, Sizing, lost_nodes

RELATIVE = (None, lambda _: 0.8, lambda nodes: 0.5 + 0.5 / nodes, lambda nodes: min(1.2, 0.9 + nodes / 100))
sizings = st.builds(
    Sizing,
    node_rps=st.floats(1, 200),
    relative=st.sampled_from(RELATIVE),
    headroom=st.floats(0, 1),
    zones=st.integers(1, 5),
)
loads = st.floats(0.1, 2000)


@given(sizings, loads)
def test_the_smallest_fleet_that_carries_a_load_is_found(sizing, rps):
    nodes = sizing.nodes_for(rps)
    assert sizing.most_rps(nodes) >= rps
    assert nodes == 1 or sizing.most_rps(nodes - 1) < rps


@given(sizings, loads, st.floats(1, 3))
def test_a_higher_load_never_needs_fewer_nodes(sizing, rps, factor):
    assert sizing.nodes_for(rps * factor) >= sizing.nodes_for(rps)


@given(sizings, loads)
def test_headroom_is_load_that_the_fleet_carries(sizing, rps):
    nodes = sizing.nodes_for(rps)
    assert sizing.capacity_rps(nodes) >= rps * (1 + sizing.headroom) * (1 - 1e-9)


@given(sizings, loads)
def test_without_its_largest_zone_a_fleet_still_carries_the_load(sizing, rps):
    nodes = sizing.nodes_for(rps)
    if sizing.zones > 1:
        assert sizing.capacity_rps(nodes - lost_nodes(nodes, sizing.zones)) >= rps


def test_whole_nodes_of_a_plain_capacity():
    assert Sizing(12.5).nodes_for(100) == 8
    assert Sizing(12.5).nodes_for(100.1) == 9
    assert Sizing(12.5, headroom=0.3).nodes_for(100) == math.ceil(130 / 12.5)
    # Eight of twelve nodes are left of three zones; two of three carry nothing less than all of 100.
    assert Sizing(12.5, zones=3).nodes_for(100) == 12
    assert Sizing(12.5, zones=2).nodes_for(1) == 2


def test_between_powers_of_two_a_simulated_capacity_is_interpolated():
    asked = []

    def relative(nodes):
        asked.append(nodes)
        return 0.9

    sizing = Sizing(10, relative)
    assert sizing.capacity_rps(24) == pytest.approx(24 * 9)
    assert sizing.nodes_for(210) == 24
    assert sorted(set(asked)) == [16, 32]
    assert len(asked) == 2


def test_a_load_that_no_fleet_carries_is_said():
    with pytest.raises(NoFleetError, match=r"even 65,536 nodes are not enough for 5e\+08 requests/s; plan"):
        Sizing(10).nodes_for(5e8)
