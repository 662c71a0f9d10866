"""torchvision imports and its models compute, with or without its compiled operators."""

import subprocess
import sys

CODE = """
import sys
import ffrepro
assert not {"torch", "torchvision"} & set(sys.modules)  # the command line starts without them
import torchvision
import torch
from torchvision.transforms import v2
torch.manual_seed(0)
net = torchvision.models.resnet18(num_classes=10)
print(tuple(net(torch.randn(2, 3, 32, 32)).shape), sum(p.numel() for p in net.parameters()))
image = torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2)
print(v2.functional.horizontal_flip(image)[0].tolist())
"""


def test_models_and_transforms_work():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    shape, flipped = done.stdout.splitlines()
    assert shape == "(2, 10) 11181642"
    assert flipped == "[[1, 0], [3, 2]]"
