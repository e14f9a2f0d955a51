"""What this machine can do, what is slow about it, and how to mend that."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from ml4a._core import devices, net, paths


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    what: str
    value: str
    advice: str = ""
    """What is wrong and how to mend it; empty where nothing is."""


def examine() -> list[Finding]:
    """Look at everything once."""
    return [
        _python(),
        _torch(),
        _device(),
        _dtype(),
        _threads(),
        _memory(),
        _codecs(),
        _opencv(),
        _cache(),
        _downloads(),
    ]


def _python() -> Finding:
    return Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _torch() -> Finding:
    return Finding("torch", importlib.metadata.version("torch"))


def _device() -> Finding:
    device = devices.resolve_device("auto")
    if device.type == "cpu" and Path("/proc/driver/nvidia/version").exists():
        return Finding(
            "device", "cpu", "an NVIDIA GPU is not used: this torch was built without CUDA, install one with it"
        )
    return Finding("device", device.type)


def _dtype() -> Finding:
    device = devices.resolve_device("auto")
    name = str(devices.resolve_dtype("auto", device)).removeprefix("torch.")
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT")
    if device.type == "cpu" and limit.upper() not in ("DEFAULT", "ALL"):
        advice = f"ONEDNN_MAX_CPU_ISA={limit} holds the CPU back (bfloat16 alone is worth a factor of 2): unset it"
        return Finding("dtype", name, advice)
    return Finding("dtype", name)


def _threads() -> Finding:
    import torch

    used = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    value = f"{used} of {cores} cores"
    if 2 * used >= cores and (used >= cores or cores > 4):  # half the cores may be all that there are in truth
        return Finding("threads", value)
    limit = os.environ.get("OMP_NUM_THREADS")
    if limit:
        return Finding("threads", value, f"OMP_NUM_THREADS={limit} leaves cores idle: unset it")
    return Finding("threads", value, "torch uses few of the cores: set OMP_NUM_THREADS to their number")


def _memory() -> Finding:
    budget = devices.memory_budget()
    advice = "little memory is free, so big pictures take many tiles: close other programs" if budget < 1 << 30 else ""
    return Finding("memory", f"{budget / 2**30:.1f} GiB for one run", advice)


def _codecs() -> Finding:
    import av

    wanted = {"libx264": "mp4", "libvpx-vp9": "webm", "aac": "sound in mp4", "libopus": "sound in webm"}
    missing = [f"{codec} ({use})" for codec, use in wanted.items() if codec not in av.codecs_available]
    advice = f"missing: {', '.join(missing)}; reinstall av" if missing else ""
    return Finding("codecs", f"PyAV {av.__version__}", advice)


def _opencv() -> Finding:
    names = ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
    installed = [name for name in names if any(importlib.metadata.distributions(name=name))]
    advice = f"{' and '.join(installed)} overwrite each other's files: keep one" if len(installed) > 1 else ""
    return Finding("opencv", ", ".join(installed), advice)


def _cache() -> Finding:
    folder = paths.cache_dir()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        return Finding("cache", str(folder), "cannot be written: set ML4A_HOME to a folder of yours")
    return Finding(
        "cache", f"{folder} ({free / 2**30:.0f} GiB free)", "the disk is nearly full" if free < 1 << 30 else ""
    )


def _downloads() -> Finding:
    if net.is_offline():
        return Finding("downloads", "off", "ML4A_OFFLINE is set: weights that are not in the cache cannot be fetched")
    return Finding("downloads", "on")
