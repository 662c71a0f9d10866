"""The autograd graphs of Forward-Forward and of backpropagation: built from a tiny net, walked, and drawn.

The net is this project's own recurrent stack with two layers of two units, run over two time steps; nothing about
the picture is made up. Nodes that only reshape are contracted away.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

from matplotlib.axes import Axes

from ffrepro.claims.figures.style import Drawn, Scene, canvas, png

LAYERS, HIDDEN, STEPS = 2, 2, 2
ROOT, PARAMETER, OPERATION = "#5aae61", "#92c5de", "#ededed"
SPACING = 0.11  # between the middles of two nodes in a row, of the picture's width
_ARROW = {"arrowstyle": "-|>", "color": "#9a9a9a", "linewidth": 0.7, "shrinkA": 7, "shrinkB": 8}
_CONTRACTED = ("TBackward", "ViewBackward", "UnsqueezeBackward", "SqueezeBackward", "UnbindBackward", "StackBackward")


@dataclass(frozen=True)
class Graph:
    """Nodes by number (0 is the loss), with their kinds, and edges towards the parameters.

    Attributes:
        labels: operation, or the parameter's name.
        parameters: the nodes that are parameters.
        edges: (from, to).
    """

    labels: list[str]
    parameters: frozenset[int]
    edges: list[tuple[int, int]]

    def reachable(self, start: int) -> set[int]:
        """The nodes that a gradient starting at ``start`` gets to."""
        seen, stack = set(), [start]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack += [target for source, target in self.edges if source == node]
        return seen


def draw(scene: Scene, spec: dict) -> list[Drawn]:
    """One picture; it depends on no record."""
    graph = build(spec["method"])
    figure, axes = canvas(8.6, 6.4)
    _paint(axes[0, 0], graph)
    return [Drawn(spec["name"], spec["title"], spec.get("shows", ""), png(figure), _caption(graph, spec["method"]))]


@cache
def build(method: str) -> Graph:
    """Walk ``grad_fn`` from the loss of a tiny net.

    Args:
        method: ``forward_forward`` (the sum of the layers' losses, inputs detached) or ``backpropagation``.
    """
    import torch  # here, not above: reports are also made where only figures of records are wanted quickly
    from torch.nn.functional import softplus

    from ffrepro.nets import rnn

    generator = torch.Generator().manual_seed(0)
    net = rnn.Rnn(2, HIDDEN, LAYERS, "torch_default", generator)
    x_TBI = torch.randn(STEPS, 1, 2, generator=generator)
    if method == "forward_forward":
        losses = []
        for block in net.blocks:
            x_TBI, _ = block(x_TBI.detach())
            losses.append(softplus(7.0 - x_TBI.square().sum(-1)).mean())
        loss = torch.stack(losses).sum()
    else:
        loss = softplus(-(net(x_TBI) * torch.ones(STEPS, 1, HIDDEN)).sum())
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    return _contract(*_walk(loss.grad_fn, names))


def _walk(root, names: dict[int, str]) -> tuple[list[str], list[list[int]]]:
    """Labels and targets of every node, breadth first from the root."""
    numbers, queue, labels, targets = {root: 0}, [root], [], []
    for node in queue:  # the queue grows while it is walked
        variable = getattr(node, "variable", None)
        labels.append(names[id(variable)] if variable is not None else node.name())
        found = []
        for target, _ in node.next_functions:
            if target is not None:
                if target not in numbers:
                    numbers[target] = len(queue)
                    queue.append(target)
                found.append(numbers[target])
        targets.append(found)
    return labels, targets


def _contract(labels: list[str], targets: list[list[int]]) -> Graph:
    """Leave out nodes that only reshape: what leads to one leads to its targets."""

    def end_points(node: int) -> list[int]:
        if node != 0 and labels[node].startswith(_CONTRACTED):
            return [end for target in targets[node] for end in end_points(target)]
        return [node]

    kept = [n for n in range(len(labels)) if n == 0 or not labels[n].startswith(_CONTRACTED)]
    number = {old: new for new, old in enumerate(kept)}
    edges = {(number[n], number[end]) for n in kept for target in targets[n] for end in end_points(target)}
    words = [labels[n].removesuffix("0").removesuffix("1").removesuffix("Backward") for n in kept]
    parameters = frozenset(number[n] for n in kept if "." in labels[n])
    words = [
        labels[kept[i]].removeprefix("blocks.").removesuffix("_l0") if i in parameters else w
        for i, w in enumerate(words)
    ]
    return Graph(words, parameters, sorted(edges))


def _caption(graph: Graph, method: str) -> str:
    shape = f"{LAYERS} layers of {HIDDEN} units over {STEPS} time steps"
    text = f"The real autograd graph of this project's net, {shape}; green: the loss; blue: parameters, layer first. "
    if method == "forward_forward":
        return text + (
            "Below the root the layers have nothing in common: no gradient passes from one to the other. Within a "
            "layer the gradient still goes back through its own time steps (Relu to Relu over the recurrent weights)."
        )
    return text + "One connected structure: the gradient reaches the first layer only through the second."


def layout(graph: Graph) -> dict[int, tuple[float, float]]:
    """(x, y) of every node: y by the longest way from the loss, parameters on a row of their own; x near neighbours."""
    depth = [0] * len(graph.labels)
    for _ in graph.labels:
        for source, target in graph.edges:
            depth[target] = max(depth[target], depth[source] + 1)
    bottom = 1 + max(level for node, level in enumerate(depth) if node not in graph.parameters)
    rows: dict[int, list[int]] = {}
    for node in range(len(graph.labels)):
        rows.setdefault(bottom if node in graph.parameters else depth[node], []).append(node)
    # By layer, then recurrent and input weights apart: what belongs together stays together.
    rows[bottom].sort(key=lambda node: (graph.labels[node].split(".")[0], graph.labels[node][-2:], graph.labels[node]))
    x = {node: (index + 0.5) / len(row) for row in rows.values() for index, node in enumerate(row)}
    near: dict[int, list[int]] = {node: [] for node in x}
    for source, target in graph.edges:
        near[source].append(target)
        near[target].append(source)
    for _ in range(40):
        for level in range(bottom):  # the parameters stay where they are and pull the rest into place
            row = rows[level]
            x |= {node: sum(x[other] for other in near[node]) / len(near[node]) for node in row}
            row.sort(key=lambda node: (x[node], node))
            _spread(row, x)
    return {node: (x[node], -float(level)) for level, row in rows.items() for node in row}


def _spread(row: list[int], x: dict[int, float]) -> None:
    """Push the nodes of a row apart until none covers its neighbour."""
    for _ in row:
        for left, right in itertools.pairwise(row):
            overlap = SPACING - (x[right] - x[left])
            if overlap > 0:
                x[left] -= overlap / 2
                x[right] += overlap / 2


def _paint(ax: Axes, graph: Graph) -> None:
    place = layout(graph)
    for source, target in graph.edges:
        (x0, y0), (x1, y1) = place[source], place[target]
        # An edge straight down past other nodes would hide behind them: bend it.
        bend = 0.35 if abs(x0 - x1) < SPACING / 2 and y0 - y1 > 1 else 0.0
        ax.annotate("", (x1, y1), (x0, y0), arrowprops=_ARROW | {"connectionstyle": f"arc3,rad={bend}"})
    for node, (x, y) in place.items():
        colour = ROOT if node == 0 else PARAMETER if node in graph.parameters else OPERATION
        ax.text(
            x, y, "loss" if node == 0 else graph.labels[node], ha="center", va="center", fontsize=7,
            bbox={"boxstyle": "round,pad=0.3", "facecolor": colour, "edgecolor": "#7a7a7a", "linewidth": 0.6},
        )  # fmt: skip
    ys = [y for _, y in place.values()]
    ax.set(xlim=(0, 1), ylim=(min(ys) - 0.6, max(ys) + 0.6))
    ax.axis("off")
