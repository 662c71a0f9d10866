"""Any PyTorch model, trained block by block instead of by backpropagation; then the plain model again."""

import ffrepro  # first: beside a CPU build of PyTorch it declares what `import torchvision` lacks

# isort: split
import torch
from sklearn.datasets import load_digits
from torchvision.models import mobilenet_v2

torch.manual_seed(0)  # the initial weights are the model's own business
X, y = load_digits(return_X_y=True)
X = torch.tensor(X / 16, dtype=torch.float32).reshape(-1, 1, 8, 8).expand(-1, 3, -1, -1)
blocks = [[1, 16, 1, 1], [4, 24, 2, 1], [4, 40, 2, 1]]  # expansion, channels, how many, stride
model = mobilenet_v2(num_classes=10, inverted_residual_setting=blocks)

# Where gradients stop: `auto` finds the blocks; a list of names, or a function of a name and a module, says so too.
learner = ffrepro.wrap(model, "auto", "sff", classes=10, lr=3e-3)
learner.fit(X[:640], y[:640], epochs=4, validation=(X[1000:1200], y[1000:1200]))
print(learner.at, {name: round(value, 3) for name, value in learner.history[-1].items() if "val/error" in name})

# A training loop of one's own: each block has learnt when `step` returns.
for start in range(0, 640, 64):
    losses = learner.step(X[start : start + 64], y[start : start + 64])
learner.end_epoch(validation=(X[1000:1200], y[1000:1200]))
print(f"test accuracy {learner.score(X[1200:], y[1200:]):.3f}")

# The plain model: its weights load into torchvision's own.
weights = learner.unwrap().state_dict()
mobilenet_v2(num_classes=10, inverted_residual_setting=blocks).load_state_dict(weights)
