"""Floor 0, kinematics: the Sigma-Lognormal model of hand movements. Pure, no I/O.

``extract(t, x, y)`` gives the ``MovementPlan`` behind a recording: its velocity, position, and variants.

Below it, ``lognormal`` is the model, ``xzero`` reads a stroke off its speed curve, ``reference`` turns a recording into
the signal that is modelled, ``extraction`` finds the plan behind it, ``quality`` says how good the plan is, and
``perturb`` makes plans of movements that the same hand could have made. docs/KINEMATICS.md has the measurements.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ffrepro.kinematics.movement_plan import MovementPlan, extract

__all__ = ["MovementPlan", "extract"]


def __getattr__(name: str) -> Any:
    """What the library offers, loaded when it is asked for: the modules below must import without it."""
    if name in __all__:
        return getattr(import_module("ffrepro.kinematics.movement_plan"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
