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


@given(vcpus=st.integers(1, 64), memory_gb=st.integers(1, 512), nodes=st.integers(1, 64))
def test_a_custom_type_carries_its_size_in_its_name(vcpus, memory_gb, nodes):
    machine_type = f"e2-custom-{vcpus}-{memory_gb * 1024}"
    shape = NodeShape.of("any", ShapeSettings(machine_type=machine_type, nodes=nodes))
    assert (shape.vcpus, shape.memory_gb, shape.nodes) == (vcpus, memory_gb, nodes)


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
