"""Node shapes: vCPUs and memory follow from the machine type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.shapes import (
    ALL_SERIES,
    MachineSeries,
    NodeShape,
    ShapeSettings,
    UnknownMachineTypeError,
    machine_resources,
    machine_series,
)


@pytest.mark.parametrize("vcpus", range(2, 33, 2))
def test_a_custom_type_carries_its_size_in_its_name(vcpus):
    for memory_mib in range(512 * vcpus, min(8192 * vcpus, 128 * 1024) + 1, 256):
        assert machine_resources(f"e2-custom-{vcpus}-{memory_mib}") == (vcpus, memory_mib / 1024)


def test_a_shape_has_the_resources_of_its_machine_type():
    shape = NodeShape.of("any", ShapeSettings(machine_type="e2-custom-8-16384", nodes=3))
    assert (shape.vcpus, shape.memory_gb, shape.nodes) == (8, 16, 3)


@pytest.mark.parametrize(
    ("machine_type", "meant"),
    [
        ("e2-custom-8-16", "e2-custom-8-16384"),  # GB
        ("e2-custom-8-16000", "e2-custom-8-16384"),  # MB
        ("e2-custom-7-16384", "e2-custom-6-16384"),
        ("e2-custom-1-4096", "e2-custom-2-4096"),
        ("e2-custom-64-131072", "e2-custom-32-131072"),
        ("e2-custom-2-32768", "e2-custom-2-16384"),
        ("e2-custom-8-1024", "e2-custom-8-4096"),
        ("e2-custom-32-262144", "e2-custom-32-131072"),
    ],
)
def test_a_custom_type_that_compute_engine_does_not_have_is_refused_with_what_was_meant(machine_type, meant):
    with pytest.raises(UnknownMachineTypeError) as error:
        machine_resources(machine_type)
    assert f"so nothing could be sized or priced; did you mean {meant}? " in str(error.value)
    machine_resources(meant)


@given(vcpus=st.integers(1, 99_999), memory_mib=st.integers(1, 999_999_999))
def test_what_was_meant_always_exists(vcpus, memory_mib):
    machine_resources(ALL_SERIES[0].near(f"e2-custom-{vcpus}-{memory_mib}"))


def test_the_predefined_high_memory_type_is_known():
    assert machine_resources("e2-highmem-8") == (8, 64.0)


@pytest.mark.parametrize("series", ALL_SERIES, ids=lambda series: series.name)
def test_every_predefined_type_of_a_series_is_found_under_its_full_name(series):
    for kind, resources in series.predefined.items():
        assert machine_series(f"{series.name}-{kind}") == series
        assert machine_resources(f"{series.name}-{kind}") == resources


def test_a_type_of_an_unknown_series_is_refused_with_the_file_to_add_it_to():
    with pytest.raises(UnknownMachineTypeError, match=r"n2-standard-4.*so nothing.*add it to stacks/shapes\.py"):
        machine_series("n2-standard-4")


def test_a_series_without_custom_types_has_only_those_of_its_table():
    series = MachineSeries("c2d", {"standard-4": (4, 16.0)}, cpu_quota="C2D_CPUS", sku_name="C2D AMD")
    assert series.resources("c2d-standard-4") == (4, 16.0)
    assert series.resources("c2d-custom-4-16384") is None


def test_a_shared_core_type_is_refused_with_the_file_to_add_it_to():
    with pytest.raises(UnknownMachineTypeError, match=r"e2-medium.*stacks/shapes\.py"):
        machine_resources("e2-medium")
