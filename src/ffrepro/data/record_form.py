"""What arrays a record of a task has: their types, their shapes, and which values they may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np


class Misfit(ValueError):
    """Why arrays are not those of a task's record."""


@dataclass(frozen=True)
class Form:
    """The form of one array.

    Attributes:
        kinds: numpy's letters of the types that it may have: ``f`` float, ``i`` and ``u`` whole numbers.
        axes: a letter for each axis; axes of one letter are equally long in all arrays. ``S``: the split's samples.
        below: values are whole numbers from 0 to this size - 1: a number, or the letter of an axis where that is known.
        distinct: no value occurs twice.
        finite: no value is NaN or infinite.
        needed: every record has it.
    """

    kinds: str
    axes: str
    below: int | str | None = None
    distinct: bool = False
    finite: bool = True
    needed: bool = False


def check(arrays: Mapping[str, np.ndarray], forms: Mapping[str, Form], sizes: Mapping[str, int]) -> None:
    """Refuse arrays that do not have the forms that a task declares.

    Args:
        forms: by name or pattern (``prediction_*``).
        sizes: known lengths of axes, by letter.

    Raises:
        Misfit: an array too many or too few, of another type or shape, or with a value that it cannot have.
    """
    known = dict(sizes)
    for name, form in forms.items():
        if form.needed and not any(fnmatchcase(found, name) for found in arrays):
            raise Misfit(f"{name} is missing")
    found = [(name, array, form_of(name, forms)) for name, array in arrays.items()]
    for name, array, form in found:
        if array.dtype.kind not in form.kinds or array.ndim != len(form.axes):
            raise Misfit(f"{name} cannot be {array.dtype} of {array.ndim} dimensions")
        for axis, length in zip(form.axes, array.shape, strict=True):
            if known.setdefault(axis, length) != length:
                raise Misfit(f"{name} has {length} of {axis}, the rest of the record {known[axis]}")
        if array.size == 0:
            raise Misfit(f"{name} is empty")
    for name, array, form in found:
        below = known.get(form.below) if isinstance(form.below, str) else form.below
        if form.below is not None and array.min() < 0:
            raise Misfit(f"{name} is {array.min()} somewhere")
        if below is not None and array.max() >= below:
            raise Misfit(f"{name} is {array.max()} somewhere, of {below}")
        if form.distinct and len(np.unique(array)) < array.size:
            raise Misfit(f"{name} has a value twice")
        if form.finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise Misfit(f"{name} is not finite")


def form_of(name: str, forms: Mapping[str, Form]) -> Form:
    """The form of an array by its name.

    Raises:
        Misfit: none fits.
    """
    for pattern, form in forms.items():
        if fnmatchcase(name, pattern):
            return form
    raise Misfit(f"{name[:60]} is no array of its task")
