"""`shapebench shapes` lists what comes near a size, the cheapest first; figures are worked out by hand."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from shapebench.cli import app
from stacks.machines import machine_series


def run(*arguments: str, exit_code: int = 0) -> Any:
    done = CliRunner().invoke(app, ["shapes", *arguments])
    assert done.exit_code == exit_code, done.output
    return done


def listed(*arguments: str) -> dict[str, dict[str, Any]]:
    return {load["shape"]["name"]: load for load in json.loads(run(*arguments, "--json").stdout)}


@pytest.fixture(scope="module")
def offers() -> dict[str, dict[str, Any]]:
    return listed("--near", "16vcpu", "--memory", "32gb")


def test_the_cheapest_come_first_at_the_prices_of_public_lists(offers):
    days = [each["all_24h_usd"] for each in offers.values()]
    assert days == sorted(days)
    # USD for 24 hours of 16 vCPUs and 32 GB in us-central1, 2026-08: analysis/pricing/test_series_prices.py.
    expected = {"2xe2-custom-8-16384": 11.15, "2xn4d-highcpu-8": 13.72, "2xc3d-highcpu-8": 14.39,
                "2xn4-highcpu-8": 14.70, "2xc4-highcpu-8": 16.33}  # fmt: skip
    assert {name: round(offers[name]["nodes_only_24h_usd"], 2) for name in expected} == expected


def test_each_says_cores_quota_disk_and_cpu(offers):
    n4d, t2d = offers["2xn4d-highcpu-8"], offers["2xt2d-standard-8"]
    assert (n4d["cores"], n4d["quota"], n4d["boot_disk"]) == (8, "CPUS_PER_VM_FAMILY of N4D", "hyperdisk-balanced")
    assert (t2d["cores"], t2d["quota"], t2d["boot_disk"]) == (16, "T2D_CPUS", "pd-balanced")
    assert offers["2xe2-custom-8-16384"]["cpus"] == ["Intel Xeon at 2.2 GHz", "AMD EPYC 7B12"]


def test_none_has_less_memory_or_other_vcpus_than_asked(offers):
    for each in offers.values():
        shape = each["shape"]
        assert shape["nodes"] * shape["memory_gb"] >= 32
        assert 12 <= shape["nodes"] * shape["vcpus"] <= 20


def test_arm_and_nodes_too_small_for_a_server_are_left_out_and_said():
    done = run("--near", "16", "--top", "3")
    assert done.stdout.count(" × ") == 3
    said = " ".join(done.stderr.split())
    assert "no server image for arm64: n4a, c4a, t2a" in said
    assert "their nodes cannot load ResNet50: e2-highcpu-2, n2-highcpu-2, n2d-highcpu-2" in said
    assert not any("n4a" in name or "highcpu-2" in name.split("xe2-")[-1:] for name in listed("--near", "16"))


def test_a_series_without_a_price_comes_last_and_is_not_free(monkeypatch: pytest.MonkeyPatch):
    table = machine_series.TABLE.read_text().replace("[series.t2d]", "[series.t2x]")
    monkeypatch.setattr(machine_series, "ALL_SERIES", machine_series.read_table(table)[1])
    monkeypatch.setattr("shapebench.commands.prices.shapes.ALL_SERIES", machine_series.ALL_SERIES)
    offers = listed("--near", "16")
    last = [name for name in offers if "t2x" in name]
    assert last == list(offers)[-len(last) :]
    assert {offers[name]["all_24h_usd"] for name in last} == {None}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--near", "16gb"), "--near '16gb' is not a number of vcpu; give one such as 16vcpu"),
        (("--near", "many"), "--near 'many' is not a number"),
        (("--near", "0"), "--near '0' is not a number"),
        (("--near", "16", "--memory", "32vcpu"), "--memory '32vcpu' is not a number of gb; give one such as 32gb"),
        (("--near", "16", "--memory", "9000gb"), "comes near 16 vCPUs with 9000 GB in 1 to 64 nodes"),
        (("--near", "16", "--region", "mars-north1"), "has no price in mars-north1"),
    ],
)
def test_a_wrong_size_is_one_line_with_the_fix(arguments: tuple[str, ...], said: str):
    done = run(*arguments, exit_code=1)
    assert said in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
