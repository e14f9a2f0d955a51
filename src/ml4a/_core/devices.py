"""Where to compute, in which precision, and with how much memory. torch is imported on use."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from typing import TYPE_CHECKING

from .errors import BadValue

if TYPE_CHECKING:
    import torch

log = logging.getLogger("ml4a")

DTYPES = ("auto", "float32", "fast_float32", "bfloat16", "float16")
_FALLBACK_MEMORY = 2 << 30
_LARGEST_BUDGET = 4 << 30


def resolve_device(name: str = "auto") -> torch.device:
    """`"auto"` → CUDA, else Apple's GPU, else the CPU. Anything else must be there.

    Raises:
        BadValue: no such device on this machine.
    """
    # Large memory pages save an eighth to a third of the time of large pictures. torch looks at its first tensor.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise BadValue(f"device {name!r} is not available here; try 'auto' or 'cpu', or run `ml4a doctor`") from None
    return device


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """`"auto"` → bfloat16 where the machine multiplies it in hardware, else float32, as is `"fast_float32"`.

    Raises:
        BadValue: not one of `DTYPES`, or float16 on a CPU, which has no fast kernels for it.
    """
    import torch

    if name not in DTYPES:
        raise BadValue(f"dtype must be one of {', '.join(DTYPES)}, not {name!r}")
    if name == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if name == "float16" and device.type == "cpu":
        raise BadValue("dtype float16 is not for CPUs; use 'auto', 'float32' or 'bfloat16'")
    return getattr(torch, name.removeprefix("fast_"))


def room_for_speed(name: str, device: torch.device) -> float:
    """Bytes that faster forms of networks may take: none where the dtype `name` is to be exact, or on a GPU."""
    if name == "float32" or device.type != "cpu":
        return 0
    return memory_budget(device) / 2 if name == "auto" else float("inf")


@functools.cache
def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether convolutions in bfloat16 are faster than in float32 on `device`."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    # oneDNN's own answer, which (unlike the processor's flags) heeds ONEDNN_MAX_CPU_ISA.
    return device.type == "cpu" and torch.backends.mkldnn.is_available() and _onednn_bfloat16()


def _onednn_bfloat16() -> bool:
    import torch

    if sys.platform != "linux":  # only Linux builds of torch carry the kernels
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001  # no public form exists


def memory_budget(device: torch.device | None = None) -> int:
    """Bytes that one run may use: half of what is free, at most 4 GiB; `ML4A_MEMORY=3G` sets it."""
    setting = os.environ.get("ML4A_MEMORY")
    if setting:
        return parse_bytes(setting)
    if device is not None and device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device)[0] // 2
    return min(_available_memory() // 2, _LARGEST_BUDGET)


def parse_bytes(text: str) -> int:
    """`"3G"` → 3 GiB; `"500M"`, `"800000"`.

    Raises:
        BadValue: not of that form.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*", text, re.IGNORECASE)
    if match is None:
        raise BadValue(f"memory must look like 3G or 500M, not {text!r}")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def _available_memory() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123  # not a file of the user's
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return _FALLBACK_MEMORY


@functools.cache
def say_once(message: str) -> None:
    """Log `message` the first time it is said; a slow path taken is worth one line, not a thousand."""
    log.warning(message)
