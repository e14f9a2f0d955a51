"""Whether networks take the memory that they say, which decides how large tiles may be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
SIDE = 448
MEASURE = """
import ctypes, re, sys
from pathlib import Path

import torch

import deterministic
import official_keys as keys
from ml4a.networks import from_state_dict

name, shapes, function, side = sys.argv[1:]
torch.set_num_threads(1)
network = from_state_dict(name, deterministic.state_dict(eval(f"keys.{shapes}")))
run = getattr(network, function)
status = Path("/proc/self/status")
kilobytes = lambda field: int(re.search(rf"{field}:\\s+(\\d+)", status.read_text())[1])
with torch.inference_mode():
    run(torch.rand(1, 3, 32, 32))
    picture = torch.rand(1, 3, int(side), int(side))
    ctypes.CDLL(None).malloc_trim(0)  # what was freed counts no longer
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = kilobytes("VmRSS")
    result = run(picture)
    print((kilobytes("VmHWM") - before) * 1024, network.bytes_per_pixel)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its peak memory")
@pytest.mark.parametrize(
    ("name", "shapes", "function"),
    [
        ("esrgan", "rrdbnet_numbered(blocks=1, doublings=0)", "forward"),
        ("esrgan", "srvgg(convolutions=2)", "forward"),
        ("hed", "hed()", "sides"),
    ],
)
def test_a_run_takes_about_the_memory_that_the_network_says(name, shapes, function):
    command = [sys.executable, "-c", MEASURE, name, shapes, function, str(SIDE)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=TESTS).stdout
    taken, said = map(float, output.split())
    assert 0.5 < taken / (said * SIDE**2) < 1.2
