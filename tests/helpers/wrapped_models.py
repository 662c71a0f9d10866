"""A small net to wrap, its images, and a learner of it."""

import torch
from torch import nn
from torch.nn import functional as F

import ffrepro

CLASSES = 4


def images(size=16, side=32, seed=0):
    """Noise in one colour for each class: red, green, blue or white."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(size) % CLASSES
    x = 0.2 * torch.randn(size, 3, side, side, generator=generator)
    for image, label in zip(x, y.tolist(), strict=True):
        image[label if label < 3 else slice(None)] += 1
    return x, y


class Net(nn.Module):
    """A convolutional net small enough for many tests."""

    def __init__(self, inputs=3, outputs=CLASSES):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(inputs, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.fc = nn.Linear(8 * 4, outputs)

    def forward(self, x):
        return self.fc(F.adaptive_avg_pool2d(self.two(self.one(x)), 2).flatten(1))


AT = ["one", "two"]


def small(method="sff", at=AT, seed=0, **settings):
    torch.manual_seed(seed)
    return ffrepro.wrap(Net(), at, method, classes=CLASSES, **{"lr": 1e-2, **settings})
