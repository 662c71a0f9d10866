"""How a run uses the machine: what cannot be seen in its results."""

import subprocess
import sys

KEPT = """
import resource, torch
from ffrepro.training import machine
machine.use({"device": "cpu", "precision": "float32"}, 1)
for _ in range(20):
    torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_memory_of_freed_tensors_is_kept_for_the_next_ones():
    """64 MiB twenty times: 327,680 pages of 4 KiB if they went back to the system each time."""
    found = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 65_536
