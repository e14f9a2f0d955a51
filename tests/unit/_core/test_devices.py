from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from ml4a._core import devices
from ml4a._core.errors import BadValue


def test_a_device_that_is_not_here_is_refused_in_words():
    with pytest.raises(BadValue, match="device 'cuda:99' is not available here; try 'auto'"):
        devices.resolve_device("cuda:99")


def test_an_unknown_dtype_is_refused():
    with pytest.raises(BadValue, match="dtype must be one of auto, float32"):
        devices.resolve_dtype("int8", torch.device("cpu"))


def test_float16_is_refused_on_a_cpu():
    with pytest.raises(BadValue, match="float16 is not for CPUs"):
        devices.resolve_dtype("float16", torch.device("cpu"))


@pytest.mark.slow
def test_auto_heeds_the_limit_that_the_environment_sets():
    code = "import torch; from ml4a._core.devices import *; print(resolve_dtype('auto', torch.device('cpu')))"
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "torch.float32"


@pytest.mark.parametrize(("text", "size"), [("3G", 3 << 30), ("500M", 500 << 20), ("1.5GiB", 3 << 29), ("800", 800)])
def test_memory_is_read_as_people_write_it(text, size):
    assert devices.parse_bytes(text) == size


def test_memory_in_other_words_is_refused():
    with pytest.raises(BadValue, match="memory must look like 3G"):
        devices.parse_bytes("lots")


def test_the_memory_budget_can_be_set(monkeypatch):
    monkeypatch.setenv("ML4A_MEMORY", "300M")
    assert devices.memory_budget() == 300 << 20
