"""Half precision to single in compiled code: by the processor's own instruction, eight numbers at a time."""

from __future__ import annotations

import platform

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import config, njit, types
from numba.extending import intrinsic

X86 = ("x86_64", "amd64", "AMD64", "i686")  # of which those before 2012 have no such instruction


def converts() -> bool:
    """Whether compiled code may use the instruction."""
    allowed = get_host_cpu_features().flatten() if config.CPU_FEATURES is None else config.CPU_FEATURES
    return platform.machine() not in X86 or "+f16c" in allowed.split(",")


@intrinsic
def by_instruction(_, half):  # numba calls it for the types alone
    """A half-precision number, given as its bits (uint16), as float32."""

    def generate(_context, builder, _signature, arguments):
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), generate


EVERY_HALF = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


@njit(cache=True, nogil=True)
def by_table(half):
    """As ``by_instruction``, where there is none."""
    return EVERY_HALF[half]


single = by_instruction if converts() else by_table
