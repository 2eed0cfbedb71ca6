"""Node shapes: vCPUs and memory follow from the machine type."""

import pytest

from stacks.machines.machine_series import UnknownMachineTypeError, machine_resources
from stacks.machines.shapes import NodeShape, ShapeSettings


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


def test_the_predefined_high_memory_type_is_known():
    assert machine_resources("e2-highmem-8") == (8, 64.0)
