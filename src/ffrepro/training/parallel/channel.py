"""Messages between neighbouring processes through torch.distributed: an object and tensors by name, in order.

A thread sends and another one receives, so that a process computes meanwhile. Tensors of a GPU cross by way of the
host's memory, whatever their device: gloo carries them between any two machines.
"""

from __future__ import annotations

import pickle
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

WAITING = 2  # messages that may wait to be sent, or to be read: enough to overlap, little memory
POLL = 0.1  # seconds between two looks at the other processes, while one waits


class Message(NamedTuple):
    """What crosses: ``kind`` names it, ``facts`` are plain objects."""

    kind: str
    facts: dict[str, Any]
    tensors: dict[str, Tensor]


class LostPeer(RuntimeError):
    """The process at the other end is gone."""


def send(message: Message, to: int) -> None:
    """Send a message to a rank, and return when it has left.

    Raises:
        LostPeer: the rank is gone.
    """
    _carry(dist.send, _pack(message), to)


def receive(sender: int) -> Message:
    """The next message of a rank; its tensors are on the CPU.

    Raises:
        LostPeer: the rank is gone.
    """
    sizes = torch.empty(2, dtype=torch.int64)
    _carry(dist.recv, [sizes], sender)
    body = torch.empty(int(sizes.sum()), dtype=torch.uint8)
    _carry(dist.recv, [body], sender)
    head, rest = body.split(sizes.tolist())
    kind, facts, described = pickle.loads(head.numpy().tobytes())
    tensors, begin = {}, 0
    for name, shape, dtype in described:
        like = torch.empty(shape, dtype=dtype)
        length = like.numel() * like.element_size()
        like.view(-1).view(torch.uint8)[:] = rest[begin : begin + length] if length else rest[:0]
        tensors[name], begin = like, begin + length
    return Message(kind, facts, tensors)


class Sender:
    """Sends messages to one rank from a thread. Tensors are copied at once: the caller may overwrite its own."""

    def __init__(self, to: int):
        self._to, self._queue = to, queue.Queue(WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, message: Message, check: Callable[[], None]) -> None:
        """Hand a message over; waits while too many are on their way.

        Args:
            check: called while it waits, raises where waiting is in vain.

        Raises:
            LostPeer: the rank is gone.
        """
        self._put(_pack(message), check)

    def close(self, check: Callable[[], None]) -> None:
        """Wait until all messages have left."""
        self._put(None, check)
        while self._thread.is_alive():
            self._thread.join(POLL)
            check()
        self._raise()

    def _put(self, packed: list[Tensor] | None, check: Callable[[], None]) -> None:
        while True:
            self._raise()
            try:
                return self._queue.put(packed, timeout=POLL)
            except queue.Full:
                check()

    def _raise(self) -> None:
        if self._error is not None:
            raise LostPeer(f"process {self._to} is gone") from self._error

    def _run(self) -> None:
        try:
            while (packed := self._queue.get()) is not None:
                _carry(dist.send, packed, self._to)
        except BaseException as error:
            self._error = error


class Receiver:
    """Receives a rank's messages in a thread, up to one of the kind ``last``."""

    def __init__(self, sender: int, last: str):
        self._sender, self._last, self._queue = sender, last, queue.Queue(WAITING)
        threading.Thread(target=self._run, daemon=True).start()

    def get(self, check: Callable[[], None] = lambda: None) -> Message:
        """The next message.

        Raises:
            LostPeer: the rank is gone.
        """
        while True:
            try:
                found = self._queue.get(timeout=POLL)
            except queue.Empty:
                check()
                continue
            if isinstance(found, BaseException):
                raise LostPeer(f"process {self._sender} is gone") from found
            return found

    def _run(self) -> None:
        try:
            while True:
                message = receive(self._sender)
                self._queue.put(message)
                if message.kind == self._last:
                    return
        except BaseException as error:
            self._queue.put(error)


def _pack(message: Message) -> list[Tensor]:
    """The lengths of head and rest, and both in one tensor: a copy."""
    host = {name: value.detach().cpu().contiguous() for name, value in message.tensors.items()}
    described = [(name, value.shape, value.dtype) for name, value in host.items()]
    head = torch.frombuffer(bytearray(pickle.dumps((message.kind, message.facts, described))), dtype=torch.uint8)
    body = torch.cat([head, *(value.view(-1).view(torch.uint8) for value in host.values() if value.numel())])
    return [torch.tensor([len(head), len(body) - len(head)]), body]


def _carry(operation: Callable[..., Any], tensors: list[Tensor], rank: int) -> None:
    try:
        for tensor in tensors:
            operation(tensor, rank)
    except (RuntimeError, ValueError) as error:
        raise LostPeer(f"process {rank} is gone") from error
