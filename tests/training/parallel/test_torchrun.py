"""The processes of ``torchrun`` learn what one learns; a killed script leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

PREFACE = """
import os, sys, warnings
import torch, ffrepro
warnings.simplefilter("ignore")
generator = torch.Generator().manual_seed(1)
y = torch.arange(61) % 3
x = torch.rand(61, 36, generator=generator) + 0.3 * y.view(-1, 1)
def learner():
    net = ffrepro.nets.MLP(36, [20, 16, 12], seed=0)
    return ffrepro.Learner(net, "ff", batch_size=16, device="cpu", progress=False)
"""
EACH = """
own = learner()
torch.manual_seed(100 + int(os.environ["RANK"]))
before = torch.get_rng_state()
own.fit(x, y, epochs=3, validation=0.2, processes=2)
same = torch.equal(torch.get_rng_state(), before)
torch.save({"weights": own.method.weights(), "losses": [line["train/loss"] for line in own.history], "kept": same},
           sys.argv[1] + os.environ["RANK"] + ".pt")
"""
ENDLESS = """
import multiprocessing
class Tells:
    def __iter__(self):
        for number in range(10**9):
            if number == 5:
                print(*[child.pid for child in multiprocessing.active_children()], flush=True)
            yield x[:16], y[:16]
if __name__ == "__main__":
    first, second = (torch.nn.Sequential(torch.nn.Linear(size, 8), torch.nn.ReLU()) for size in (36, 8))
    model = torch.nn.Sequential(first, second, torch.nn.Linear(8, 3))
    ffrepro.wrap(model, ["0", "1"], classes=3, device="cpu", progress=False).fit(Tells(), epochs=1, processes=2)
"""


def test_torchruns_processes_learn_what_one_learns(tmp_path):
    script = tmp_path / "each.py"
    script.write_text(PREFACE + EACH)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ended = subprocess.run([*run, script, f"{tmp_path}/"], capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr[-2000:]
    names: dict = {}
    exec(PREFACE, names)
    one = names["learner"]().fit(names["x"], names["y"], epochs=3, validation=0.2)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert found["kept"]
        assert found["losses"] == pytest.approx([line["train/loss"] for line in one.history], rel=1e-5)
        for name, value in one.method.weights().items():
            torch.testing.assert_close(found["weights"][name], value, rtol=1e-5, atol=1e-6)


def test_a_killed_script_leaves_no_process(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(PREFACE + ENDLESS)
    first = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        (worker,) = map(int, first.stdout.readline().split())
        assert alive(worker)
        first.send_signal(signal.SIGKILL)
        first.wait()
        limit = time.monotonic() + 60
        while alive(worker) and time.monotonic() < limit:
            time.sleep(0.1)
        assert not alive(worker)
    finally:
        first.kill()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
