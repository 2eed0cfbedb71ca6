"""docs/gke-quick-start.md: its prices are those that `shapebench price` prints, its amounts those of the preflight."""

import json
import re

import pytest
from typer.testing import CliRunner

from analysis.pricing.stack_cost import kept_cost, load_cost
from components.gke.reach import REFUSING_PROXY
from shapebench.cli import app
from stacks.explain import PREFIX
from stacks.files import load_config, load_settings, with_defaults
from stacks.machines.quota_needs import APIS, needs
from stacks.server.models import RESNET50
from stacks.settings import Settings, parse_settings
from tests.support.new_account import STACK, after_the_commands
from tools.pins import ROOT

PAGE = (ROOT / "docs/gke-quick-start.md").read_text()
ROWS = {name: cells.split(" | ") for name, cells in re.findall(r"^\| `([\w-]+)` \| ([\d.| ]+) \|$", PAGE, re.MULTILINE)}


@pytest.fixture(scope="module")
def printed() -> dict[str, tuple[float, float]]:
    """What `shapebench price` prints of each GKE stack: USD per hour of serving and of the load test's nodes."""
    prices = json.loads(CliRunner().invoke(app, ["price", "--format", "json"]).stdout)
    return {price["name"]: (price["cost"]["hourly"], price["test"]["hourly"]) for price in prices if price["test"]}


def test_the_page_has_a_price_for_each_stack_of_the_experiment():
    assert set(ROWS) == {"2cpu-4gb", "4cpu-8gb", "8cpu-16gb", "8cpu-64gb"}


@pytest.mark.parametrize("stack", ROWS)
def test_the_prices_are_those_of_the_command(stack: str, printed: dict[str, tuple[float, float]]):
    serving, load = printed[stack]
    assert ROWS[stack] == [f"{serving:.3f}", f"{load:.3f}", f"{serving + load:.3f}"]


def test_the_price_in_the_first_table_is_that_of_its_stack(printed: dict[str, tuple[float, float]]):
    serving, load = printed["8cpu-16gb"]
    assert f"{serving + load:.2f} USD an hour for the stack `8cpu-16gb`" in PAGE
    assert f"{serving:.2f} for serving and {load:.2f} for the load test's node |" in " ".join(PAGE.split())


def test_the_quotas_are_those_that_the_preflight_counts():
    settings = load_settings("8cpu-16gb")
    counted = {need.metric: need.amount for need in needs(settings.node_shape("8cpu-16gb"), settings.load_shape)}
    assert f"{counted['CPUS']} vCPUs and {counted['INSTANCES']} instances" in PAGE


def test_the_apis_that_it_enables_are_those_that_the_preflight_checks():
    (enabled,) = re.findall(r"gcloud services enable (.*?) --project", PAGE, re.DOTALL)
    assert set(enabled.replace("\\", "").split()) == set(APIS)


def small_stack() -> Settings:
    """The stack of the section for a new account."""
    config = {key.removeprefix(PREFIX): each for key, each in load_config(STACK).items() if key.startswith(PREFIX)}
    return parse_settings(with_defaults(after_the_commands(config)))


def test_the_stack_for_a_new_account_needs_8_vcpus_of_each_quota_and_no_more():
    settings = small_stack()
    found = needs(settings.node_shape(STACK), settings.load_shape)
    vcpus = {need.metric: need.amount for need in found if "CPUS" in need.metric}
    assert vcpus == {"CPUS": 8, "E2_CPUS": 8, "CPUS_ALL_REGIONS": 8}
    # What a free trial has besides: docs/google-cloud-facts.md, Quotas.
    assert {need.amount for need in found if need.metric == "IN_USE_ADDRESSES"} == {1}


def test_the_price_of_the_stack_for_a_new_account_is_that_of_the_command():
    settings = small_stack()
    shape, model = settings.node_shape(STACK), RESNET50
    serving = kept_cost(settings.platform, shape, settings.region, model.uploaded_bytes).hourly
    load = load_cost(settings.load_shape, settings.region).hourly
    assert serving is not None
    assert load is not None
    assert f"This stack costs {serving + load:.2f} USD an hour." in " ".join(PAGE.split())


def test_a_load_of_less_than_a_minute_is_the_first_one_of_a_new_account():
    assert small_stack().load.total_s < 60


def test_the_variable_for_a_preview_without_a_network_is_that_of_the_programs_message():
    assert f"`{REFUSING_PROXY}`" in PAGE
