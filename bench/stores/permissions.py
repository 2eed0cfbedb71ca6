"""Lets permission bits bind a process of root's, too: without the capabilities that override them."""

import ctypes
import os
import sys

# capabilities(7), prctl(2), linux/capability.h.
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2
_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP = 24


def obey_permission_bits() -> None:
    """Give up the capabilities for good, of this thread and of what it starts; raises OSError.

    Whoever is not root has none, and elsewhere than on Linux nothing is done.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    # Effective, permitted and inheritable, of the first 32 capabilities and of the others.
    sets = (ctypes.c_uint32 * 6)()
    _require(libc.capget(header, sets))
    for at in range(3):
        sets[at] &= ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        _require(libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
    _require(libc.capset(header, sets))


def _require(status: int) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), "capabilities cannot be given up")
