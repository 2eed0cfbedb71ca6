"""The CPU and the kernel of a machine, as its kernel reports them. Standard library only."""

import re
from pathlib import Path
from typing import Any

_CPUINFO, _KERNEL = Path("/proc/cpuinfo"), Path("/proc/sys/kernel/osrelease")

# Of some hundred flags of a CPU, those that decide how fast it computes a model, and whether TensorFlow does so with
# oneDNN; by the kernel's names.
_FLAGS = re.compile(r"\b(?:avx2|avx512f|avx512_vnni|avx512_bf16|avx_vnni|amx_\w+)\b")


def this_machine() -> dict[str, Any]:
    """The facts of the machine that this runs on; in a container, those of its node."""
    try:
        return machine_facts(_CPUINFO.read_text(), _KERNEL.read_text())
    except OSError:
        return machine_facts("", "")


def machine_facts(cpuinfo: str, kernel: str) -> dict[str, Any]:
    """From /proc/cpuinfo, of which one processor is enough, and the kernel's release; what they do not tell is None.

    Linux names the CPU on x86 (arch/x86/kernel/cpu/proc.c); on Arm it has numbers only (arch/arm64/kernel/cpuinfo.c),
    and `Features` of other names.
    """
    processor, _, _ = cpuinfo.strip().partition("\n\n")
    told = dict(re.findall(r"^(.+?)\s*:[ \t]*(.+?)\s*$", processor, re.MULTILINE))
    arm = {"part": told.get("CPU part"), "variant": told.get("CPU variant"), "revision": told.get("CPU revision")}
    x86 = {"family": told.get("cpu family"), "model": told.get("model"), "stepping": told.get("stepping")}
    part = arm.pop("part")
    return {
        "cpu_vendor": told.get("vendor_id") or told.get("CPU implementer"),
        "cpu_model": told.get("model name") or (part and f"part {part}"),
        "cpu_signature": ", ".join(f"{name} {value}" for name, value in (x86 | arm).items() if value) or None,
        "cpu_flags": sorted(_FLAGS.findall(told["flags"])) if "flags" in told else None,
        "kernel": kernel.strip() or None,
    }
