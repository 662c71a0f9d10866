"""Mistakes of the library's users, refused before torch meets them, or said in the project's words afterwards."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import nearest
from ffrepro.nets import rnn

ARGUMENTS = (
    "classes", "batch_size", "lr", "schedule", "inference", "device", "seed", "progress", "epochs", "validation",
)  # fmt: skip


def require_known(
    settings: Iterable[str], method: str, own: Iterable[str], schedule: str, scheduled: Iterable[str]
) -> None:
    """Refuse settings that neither the method nor the schedule has.

    Raises:
        FfreproError: there is one; the nearest name is suggested, of an argument too.
    """
    known = [*own, *scheduled]
    for name in settings:
        if name not in known:
            close = nearest(name, [*known, *ARGUMENTS])
            raise FfreproError(
                f"method {method} has no setting {name!r}",
                where=name,
                fix=f"{f'did you mean {close!r}? ' if close else ''}it has: {', '.join(own)}; "
                f"schedule {schedule}: {', '.join(scheduled)}",
            )


def require_kind(net: nn.Module, method: str, recurrent: bool, x_N: Tensor) -> None:
    """Refuse a net of another kind than the method trains, and samples that are no sequences for a recurrent one.

    Raises:
        FfreproError: one of these.
    """
    kinds = {True: "a recurrent net (ffrepro.nets.RNN)", False: "a net of blocks"}
    if isinstance(net, rnn.Rnn) != recurrent:
        raise FfreproError(
            f"method {method} trains {kinds[recurrent]}, this is {kinds[not recurrent]}",
            where="method",
            fix="choose another net or method; docs/LIBRARY.md says what each needs",
        )
    kind = getattr(net, "kind", None)
    if (kind is not None) != method.endswith("_tokens") or (kind and not method.endswith(f"_{kind}")):
        raise FfreproError(
            f"method {method} does not train a net of {kind or 'samples that are no tokens'}",
            where="method",
            fix="choose another net or method; docs/LIBRARY.md says what each needs",
        )
    if kind is not None:
        require_tokens(net, x_N)
    if not isinstance(net, rnn.Rnn):
        return
    features = net.blocks[0].input_size
    if x_N.ndim != 3 or x_N.shape[2] != features:
        raise FfreproError(
            f"samples of shape {tuple(x_N.shape[1:])} for a recurrent net of {features} inputs",
            where="inputs",
            fix="give sequences: (samples, time steps, features)",
        )


def require_tokens(net: nn.Module, x_N: Tensor) -> None:
    """Refuse inputs that are no token ids of a net.

    Raises:
        FfreproError: other shapes, numbers that are no ids of the vocabulary, sequences that are too long.
    """
    length, vocabulary = int(net.length), int(net.vocabulary)  # type: ignore[arg-type]  # plain numbers of a token net
    if x_N.ndim != 2 or x_N.shape[1] > length:
        raise FfreproError(
            f"token ids have shape {tuple(x_N.shape)}, the net takes sequences of at most {length}",
            where="inputs",
            fix="give (samples, tokens), 0 for padding, or build the net for longer sequences",
        )
    if bool((x_N != x_N.round()).any()) or int(x_N.min()) < 0 or int(x_N.max()) >= vocabulary:
        raise FfreproError(
            f"token ids are {float(x_N.min()):g} to {float(x_N.max()):g}, the net's vocabulary is 0 to "
            f"{vocabulary - 1}",
            where="inputs",
            fix="number the words from 1 on, or build the net for a larger vocabulary",
        )


def require_validation(training: dict[str, Any], splits: Container[str]) -> None:
    """Refuse a schedule that goes by the validation loss without a validation part.

    Raises:
        FfreproError: it does.
    """
    if training.get("plateau_on") == "validation" and "val" not in splits:
        raise FfreproError(
            "the schedule goes by the validation loss, and there is no validation part",
            where="validation",
            fix="give `validation`, or set `plateau_on` to train",
        )


def tensors(x: Any) -> list[Tensor]:
    """The tensors of a batch's inputs: itself, or those of a tuple or a dictionary."""
    several = x.values() if isinstance(x, dict) else x if isinstance(x, tuple) else [x]
    return [tensor for tensor in several if isinstance(tensor, Tensor)]


@contextmanager
def errors(method: str, device: str, x: Any) -> Iterator[None]:
    """Inside, what torch says of a net and data that do not go together is an ``FfreproError``.

    Args:
        x: the inputs, a tensor or several; else data whose shape nobody knows yet.
    """
    shapes = [str(tuple(tensor.shape)) for tensor in tensors(x)]
    where = f"inputs of shape {', '.join(shapes)}" if shapes else "inputs"
    try:
        yield
    except FfreproError:
        raise
    except torch.OutOfMemoryError as error:
        raise FfreproError(
            f"{device} has too little memory for the samples and the net",
            where=where,
            fix="lower `batch_size`, give fewer samples, or choose device cpu: all samples live on the device",
        ) from error
    except (RuntimeError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise FfreproError(
            f"method {method} cannot train this net on these data: {error}",
            where=where,
            fix="compare the net's number of inputs with the data; docs/LIBRARY.md says what the method needs",
        ) from error
