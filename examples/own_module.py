"""A module of one's own: where it is cut into blocks, no gradient crosses; early stop, save and load."""

import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

import ffrepro


class Net(nn.Module):
    """Two named blocks. A method adds the readout: the last block is the last hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.GELU()),
            nn.Sequential(nn.LayerNorm(100), nn.Linear(100, 100), nn.GELU()),
        )


torch.manual_seed(0)  # the initial weights are the module's own business
X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 1, 8, 8) / 16
learner = ffrepro.fit(
    Net(), (X[:1400], y[:1400]), "scff", epochs=20, validation=0.1, schedule="plateau", early_stop_epochs=3
)
print(f"{len(learner.history)} epochs, test accuracy {learner.score(X[1400:], y[1400:]):.3f}")

with tempfile.TemporaryDirectory() as folder:
    learner.save(Path(folder) / "scff.pt")
    again = ffrepro.Learner.load(Path(folder) / "scff.pt", Net())
print(f"loaded: {again.score(X[1400:], y[1400:]):.3f}")

# A training loop of one's own.
stepper = ffrepro.Learner(Net(), "ff_unsupervised", classes=10, patch_side=4, negatives="patches")
for start in range(0, 1400, 32):
    losses = stepper.step(X[start : start + 32], y[start : start + 32])
print({name: round(value, 2) for name, value in losses.items()})
