"""Whether networks take the memory that they say, which decides how large tiles may be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
NETWORKS = {
    "RRDBNet": ("esrgan", "rrdbnet_numbered(blocks=1, doublings=0)", "forward", 320),
    "SRVGGNetCompact": ("esrgan", "srvgg(convolutions=2)", "forward", 448),
    "HED": ("hed", "hed()", "sides", 448),
}
"""Of each: its name for `from_state_dict`, its keys, what of it is run, and on a picture of which sides."""
MEASURE = """
import ctypes, json, os, re, sys
from pathlib import Path

import torch

import deterministic
import official_keys as keys
from ml4a.networks import from_state_dict


def measure(label, name, shapes, function, side):
    torch.set_num_threads(1)
    network = from_state_dict(name, deterministic.state_dict(eval(f"keys.{shapes}")))
    run = getattr(network, function)
    status = Path("/proc/self/status")
    kilobytes = lambda field: int(re.search(rf"{field}:\\s+(\\d+)", status.read_text())[1])
    with torch.inference_mode():
        run(torch.rand(1, 3, 32, 32))
        picture = torch.rand(1, 3, side, side)
        ctypes.CDLL(None).malloc_trim(0)  # what was freed counts no longer
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = kilobytes("VmRSS")
        result = run(picture)
        print(json.dumps([label, (kilobytes("VmHWM") - before) * 1024, network.bytes_per_pixel]), flush=True)


for label, network in json.loads(sys.argv[1]).items():
    if os.fork() == 0:  # a process for each, but torch is imported once
        measure(label, *network)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[float, float]]:
    """Of each network, the bytes that a run took and the bytes per pixel that it says."""
    command = [sys.executable, "-c", MEASURE, json.dumps(NETWORKS)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=TESTS).stdout
    return {label: (taken, said) for label, taken, said in map(json.loads, output.splitlines())}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its peak memory")
@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_a_run_takes_about_the_memory_that_the_network_says(network, measured):
    taken, said = measured[network]
    assert 0.5 < taken / (said * NETWORKS[network][-1] ** 2) < 1.3
