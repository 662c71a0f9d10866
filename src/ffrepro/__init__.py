"""Forward-Forward learning beside backpropagation: a library, and the reproduction of what papers claim of it.

``ffrepro.wrap(model, at="auto", method="sff", classes=10)`` trains any PyTorch model block by block, without
backpropagation through the whole. ``ffrepro.fit(net, (X, y), method="ff")`` and ``ffrepro.Learner`` train a net by any
method of ``ffrepro.methods``; ``ffrepro.nets`` has nets by their sizes; ``ffrepro.kinematics`` takes movements apart
into lognormal strokes.
docs/LIBRARY.md has the reference.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ffrepro.base import torchvision_import

if TYPE_CHECKING:
    from ffrepro import kinematics, methods, nets
    from ffrepro.base.errors import FfreproError
    from ffrepro.training.learner import Learner, fit
    from ffrepro.training.reach import gradient_reach
    from ffrepro.training.wrap import WrappedLearner, wrap

__version__ = "0.1.0"
__all__ = [
    "FfreproError",
    "Learner",
    "WrappedLearner",
    "fit",
    "gradient_reach",
    "kinematics",
    "methods",
    "nets",
    "wrap",
]
_FROM = {
    "FfreproError": "ffrepro.base.errors",
    "Learner": "ffrepro.training.learner",
    "WrappedLearner": "ffrepro.training.wrap",
    "fit": "ffrepro.training.learner",
    "gradient_reach": "ffrepro.training.reach",
    "wrap": "ffrepro.training.wrap",
}
torchvision_import.install()


def __getattr__(name: str) -> Any:
    """What the library offers, loaded when it is asked for: the command line must start without torch."""
    if name in _FROM:
        return getattr(import_module(_FROM[name]), name)
    if name in __all__:
        return import_module(f"ffrepro.{name}")
    raise AttributeError(f"module 'ffrepro' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The names of the library among the module's own."""
    return sorted([*globals(), *__all__])
