"""The CPU and the kernel of a machine, as its kernel reports them. Standard library only."""

import re
from pathlib import Path

_CPUINFO, _KERNEL = Path("/proc/cpuinfo"), Path("/proc/sys/kernel/osrelease")


def this_machine() -> dict[str, str | None]:
    """The facts of the machine that this runs on; in a container, those of its node."""
    try:
        return machine_facts(_CPUINFO.read_text(), _KERNEL.read_text())
    except OSError:
        return machine_facts("", "")


def machine_facts(cpuinfo: str, kernel: str) -> dict[str, str | None]:
    """From /proc/cpuinfo, of which one processor is enough, and the kernel's release; what they do not tell is None.

    Linux names the CPU on x86 (arch/x86/kernel/cpu/proc.c); on Arm it has numbers only (arch/arm64/kernel/cpuinfo.c).
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
        "kernel": kernel.strip() or None,
    }
