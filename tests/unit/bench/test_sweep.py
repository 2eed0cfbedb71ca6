import math

import numpy as np
import pytest

from bench.fleets.machines import machine_sweep
from bench.fleets.sweeps import STACKS, TRUTHS, fleet, many, published
from bench.sweep import grade, grid_blocks, grid_usd, with_prior
from sweep.simulation.world import SimulatedStack, Spread, World


def test_the_published_experiment_has_fifteen_variants_and_the_large_one_720():
    assert len({candidate.key for candidate in published()}) == 15
    assert len({candidate.key for candidate in many()}) == 720


def test_a_grid_has_no_more_blocks_than_its_known_variance_needs():
    """Bechhofer's distance for 15 is 3.60: (3.60 × 4.61 % ÷ 4.88 %)² = 11.6."""
    world = World(STACKS, {}, Spread(deployments=0.03))

    assert grid_blocks(15, world) == 12


def test_a_grid_costs_what_its_stacks_cost_while_they_are_up():
    one = published()[:1]
    stack = SimulatedStack(1.0, 3600.0, create_s=100, update_s=10, destroy_s=50)
    world = World({one[0].stack: stack}, {})

    # One candidate, one block: created, 20 s of warm-up and 300 s of search, destroyed.
    assert grid_usd(one, world) == pytest.approx(100 + 320 + 50)


def test_fleets_differ_in_truth_and_spread_and_are_the_same_for_the_same_seed():
    first, again, other = (fleet(published(), TRUTHS[0], seed) for seed in (1, 1, 2))

    assert first == again
    assert first.capacity_rps != other.capacity_rps
    assert 0.02 <= first.spread.deployments <= 0.05


def test_a_race_on_a_fleet_is_cheaper_than_its_grid():
    race = grade(published(), 3)

    assert race.usd < race.grid_usd
    assert race.runs >= 15


def test_a_sweep_of_40_machines_knows_of_each_what_is_not_its_truth():
    first, again, other = (machine_sweep(seed, 0.05) for seed in (1, 1, 2))

    assert first == again
    assert len(first.settings.priors) == len({candidate.stack for candidate in first.settings.candidates}) == 40
    assert first.unknowing.priors == {}
    assert {candidate.key for candidate in first.unknowing.candidates} == {
        candidate.key for candidate in first.settings.candidates
    }
    assert first.truth != other.truth
    known = [first.settings.priors[candidate.stack].log_cost for candidate in first.settings.candidates]
    true = [math.log(first.cost(candidate.key)) for candidate in first.settings.candidates]
    assert np.std(np.subtract(known, true)) > 0.05


def test_a_sweep_that_knows_of_its_machines_is_cheaper():
    sweep = with_prior(0)

    assert sweep.usd < sweep.usd_without
