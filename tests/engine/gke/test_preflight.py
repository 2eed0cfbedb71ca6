"""An update that Google would refuse half-way ends before anything is made, with all that is missing in one message."""

import re

import pytest

from tests.engine.gke.world import World
from tests.engine.harness import Stack
from tests.support.new_account import STACK, after_the_commands


@pytest.fixture(scope="module")
def stack(world: World) -> Stack:
    return world.stack_of_the_checkout("8cpu-64gb")


def test_too_little_quota_and_an_api_that_is_off_end_the_update_before_anything_is_made(stack: Stack, world: World):
    world.cloud.regional["CPUS"] = (24.0, 8.0)
    world.cloud.apis.discard("storage.googleapis.com")
    failed = stack.up()
    assert failed.returncode != 0
    assert "2 requirements of stack 8cpu-64gb are not met in project shapebench-tests" in failed.stdout
    assert "quota CPUS in us-central1: 20 needed, 16 left (8 of 24 are used)" in failed.stdout
    assert "gcloud services enable storage.googleapis.com --project shapebench-tests" in failed.stdout
    assert "USD an hour" in failed.stdout
    assert "Traceback" not in failed.stdout
    made = {line["operation"] for line in world.memory.operations()} - {"configure"}
    assert made == set()
    assert not any(resource["type"].startswith(("gcp:", "kubernetes:")) for resource in stack.resources())


def test_a_token_that_the_auth_plugin_does_not_read_ends_the_update_but_not_a_preview(stack: Stack, world: World):
    stack.variables["GOOGLE_OAUTH_ACCESS_TOKEN"] = "of-nobody"
    try:
        for gke in ({}, {"preflight": False}):
            stack.config["gke"] = gke
            failed = stack.up()
            assert failed.returncode != 0
            assert (
                "gcp:accessToken or GOOGLE_OAUTH_ACCESS_TOKEN is set, but gke-gcloud-auth-plugin does not read it"
                in failed.stdout
            )
            assert "of-nobody" not in failed.stdout
        stack.must("preview")
    finally:
        del stack.variables["GOOGLE_OAUTH_ACCESS_TOKEN"]
        del stack.config["gke"]
    assert world.google() == []


def test_a_preview_asks_google_nothing(stack: Stack, world: World):
    requests_before = len(world.cloud.requests)
    stack.must("preview")
    assert len(world.cloud.requests) == requests_before


def test_an_update_that_may_not_ask_goes_on(stack: Stack, world: World):
    stack.config["gke"] = {"preflight": False}
    requests_before = len(world.cloud.requests)
    stack.must_up()
    assert len(world.cloud.requests) == requests_before
    stack.must("destroy", "--yes", "--skip-preview")
    assert world.google() == []


def test_a_new_account_of_8_vcpus_is_refused_each_stack_but_the_one_that_the_quick_start_makes_for_it(world: World):
    world.cloud.apis.add("storage.googleapis.com")
    world.cloud.global_["CPUS_ALL_REGIONS"] = world.cloud.regional["CPUS"] = (8.0, 0.0)
    stack = world.stack_of_the_checkout(STACK)
    refused = stack.up()
    assert refused.returncode != 0
    assert "quota CPUS_ALL_REGIONS in all regions together: 20 needed, 8 left" in refused.stdout
    load, stack.config["load"] = stack.config["load"], {}
    stack.config = after_the_commands(stack.config)
    shown = stack.must("preview", "--diff")
    assert re.search(r"nodeCount +: 2\b", shown)
    stack.config["load"] = load
    stack.must_up()
    (run,) = stack.runs()
    assert (run.shape.nodes, run.serving.replicas) == (2, 2)
    stack.must("destroy", "--yes", "--skip-preview")
