"""Excerpts of /proc/cpuinfo as Linux prints it on a GCE E2 machine, under a hypervisor, and on Arm."""

import platform
from pathlib import Path

import pytest

from loadtest.generator.monitoring.machine import machine_facts, this_machine

# The fields of an x86 processor: https://github.com/torvalds/linux/blob/v6.6/arch/x86/kernel/cpu/proc.c
E2 = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 23
model\t\t: 49
model name\t: AMD EPYC 7B12
stepping\t: 0
flags\t\t: fpu sse2 avx f16c rdrand bmi1 avx2 bmi2
power management:

processor\t: 1
vendor_id\t: GenuineIntel
model name\t: another
"""
# What an Arm processor shows: https://github.com/torvalds/linux/blob/v6.6/arch/arm64/kernel/cpuinfo.c
ARM = """\
processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


@pytest.mark.parametrize(
    ("cpuinfo", "vendor", "model", "signature", "flags"),
    [
        (E2, "AuthenticAMD", "AMD EPYC 7B12", "family 23, model 49, stepping 0", ["avx2"]),
        (ARM, "0x41", "part 0xd0c", "variant 0x3, revision 1", None),
        ("processor\t: 0\n", None, None, None, None),
        ("", None, None, None, None),
    ],
)
def test_a_processor_is_read_as_the_kernel_prints_it(cpuinfo, vendor, model, signature, flags):
    assert machine_facts(cpuinfo, "6.6.72+\n") == {
        "cpu_vendor": vendor,
        "cpu_model": model,
        "cpu_signature": signature,
        "cpu_flags": flags,
        "kernel": "6.6.72+",
    }


def test_of_a_cpus_flags_those_are_kept_that_decide_how_a_model_is_computed():
    """Some of those of a Sapphire Rapids, by the kernel's names (arch/x86/include/asm/cpufeatures.h)."""
    decide = ["amx_bf16", "amx_int8", "amx_tile", "avx2", "avx512_bf16", "avx512_vnni", "avx512f", "avx_vnni"]
    others = ["fpu", "avx", "avx512dq", "avx512bw", "avx512_vbmi2", "fma", "serialize", "avx_vnni_int8"]
    mixed = " ".join(sorted([*decide, *others], key=lambda flag: flag[::-1]))
    assert machine_facts(f"flags\t\t: {mixed}\n", "")["cpu_flags"] == decide


def test_this_machine_has_the_kernel_that_python_tells_and_the_model_in_cpuinfo():
    facts = this_machine()
    assert facts["kernel"] == platform.release()
    assert f": {facts['cpu_model']}\n" in Path("/proc/cpuinfo").read_text() or "part" in str(facts["cpu_model"])


def test_no_kernel_is_unknown():
    assert machine_facts("", "")["kernel"] is None
