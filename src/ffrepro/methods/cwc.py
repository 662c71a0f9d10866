"""Channel-wise competitive learning: the improved algorithm of the DLR paper (Sec. III), and CwC (its reference 6).

A layer's channels are divided into groups, one a class. The goodness of a group is the mean of its squared
activations, and the layer's loss is a softmax over the groups (Eq. 3): positive and negative samples are one and the
same image, and learning takes one forward pass. Layers learn in small groups (``core.updates``); no gradient leaves a
group.

``feedback: random`` replaces backpropagation inside a group by a fixed random projection of the last layer's error on
each layer below (the DLR paper, Sec. II-B c, on Distance-Forward). ``loss`` may also be one of the pairwise losses, on
the goodness of the true class and the sum or mean of the others' (``core.class_losses``). ``layer_epochs`` gives each
layer a range of epochs in which it learns: interleaved layer training (ILT) of CwC; with ``ilt_patience`` these epochs
are found in a first stage, by validation losses (``core.interleaved``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer, list_of, number, or_none
from ffrepro.core import class_losses, conv_block, conv_layer, updates
from ffrepro.core.batch_norm import Moments
from ffrepro.core.goodness import grouped, wide
from ffrepro.core.interleaved import Interleaved
from ffrepro.methods import local, pairs
from ffrepro.methods.base import Batch, Phase, classes_of
from ffrepro.methods.local import LocalClassifier
from ffrepro.nets.layers import ConvBlock, seen_again

LAST = (1, 3)  # beside ``infer_layers``: how many last layers the further schemes sum the goodness of

VERSION = 1  # of its numbers: tests/golden/cwc.json
SETTINGS = {
    "update": choice(
        "which layers learn together",
        "greedy",
        "simultaneous",
        "overlapping",
        "chunked",
        "alternating",
        default="alternating",
    ),
    "block_layers": integer("layers that learn together", 2, minimum=1),
    "feedback": choice(
        "within a group of layers: the gradient, or fixed random maps", "exact", "random", default="exact"
    ),
    "gradient": local.SETTINGS["gradient"],
    "loss": choice("on the goodness of the channel groups", "cwc", "logistic", "symba", "distance", default="cwc"),
    "theta": number("threshold of the goodness, a mean of squares", 0.1),
    "negative_goodness": choice("of a pairwise loss: of the other classes' goodness the", "sum", "mean", default="sum"),
    "alpha": pairs.SETTINGS["alpha"],
    "margin": pairs.SETTINGS["margin"],
    "mixing_weight": pairs.SETTINGS["mixing_weight"],
    "infer_layers": integer("last layers whose goodness is read", 2, minimum=1),
    "layer_epochs": list_of(
        list_of(integer("", minimum=0), "", shortest=2, longest=2),
        "first and last epoch in which each layer learns; []: all learn in all",
        [],
    ),
    "ilt_patience": or_none(
        integer(
            "epochs without a lower loss of its own after which ILT's first stage is done with a layer; "
            "None: `layer_epochs` as given",
            minimum=1,
        ),
        None,
    ),
    "head": local.SETTINGS["head"],
    "head_epochs": local.SETTINGS["head_epochs"],
    "weight_decay": local.SETTINGS["weight_decay"],
}


class Method(LocalClassifier):
    """CwC on a net of blocks with channel groups and a head (the grouped nets of ``nets.cnn``).

    Batches: ``x`` (B, C, H, W), ``label`` (B,).

    Raises:
        FfreproError: the net has no groups, not one a class, or no head; see ``core.interleaved``; or the closed form
            is asked for and cannot learn the net.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        if getattr(net, "head", None) is None or any(getattr(block, "groups", None) is None for block in net.blocks):
            raise FfreproError(
                "cwc needs channel groups, one a class, and a head; this net lacks them",
                where="net",
                fix="use net cnn with a grouped model (ff_tiny to ff_deep); in the library, a net with `grouped=True`",
            )
        classes = classes_of(net)
        if any(block.groups != classes for block in net.blocks):
            raise FfreproError(
                f"the net has {net.blocks[0].groups} channel groups, one a class, and the task {classes} classes",
                where="net.groups",
                fix=f"give the net {classes} groups",
            )
        super().__init__(net, hyperparameters, net.head, lr)
        self.interleaved = Interleaved(self.layers, hyperparameters["layer_epochs"], hyperparameters["ilt_patience"])
        self.steps = self.epoch = 0
        self.classes = self.class_groups = classes
        self._layers = []
        if hyperparameters["gradient"] == "closed_form":
            self._layers = [self._layer(block) for block in net.blocks]
        self._feedback = []
        if hyperparameters["feedback"] == "random":
            for shape in net.shapes:
                projection = torch.randn((self.classes, *shape), generator=generator)
                self._feedback.append(projection.to(example["x"]))
        self._initial = copy.deepcopy(self.weights()) if hyperparameters["ilt_patience"] is not None else {}

    def phases(self) -> list[Phase]:
        """ILT's first stage, a phase for each layer, where its epochs are to be found; then as ``LocalClassifier``."""
        return [Phase(name) for name in self.interleaved.phases()] + super().phases()

    def begin_epoch(self, epoch: int) -> None:
        """Set the epoch that decides which layers learn; both of ILT's stages begin anew with the initial weights."""
        self.epoch = epoch
        if epoch or not self._initial or self.phase == local.HEAD:
            return
        self.load_weights(self._initial)
        for optimizer in self.optimizers:
            optimizer.state.clear()
        self.interleaved.begin(self.phase)

    def end_epoch(self, train: dict[str, float], val: dict[str, float]) -> None:
        """Also counts, in ILT's first stage, the epochs since the layer's loss was lowest."""
        super().end_epoch(train, val)
        self.interleaved.end_epoch(self.phase, self.epoch + 1, train | val)

    def phase_done(self) -> bool:
        """Whether ILT's first stage is done with its layer."""
        return self.interleaved.done(self.phase)

    def learning(self) -> list[int]:
        """The layers that learn in this phase and epoch."""
        return self.interleaved.learning(super().learning(), self.phase, self.epoch)

    def step(self, batch: Batch) -> Batch:
        """One update of what learns in this phase.

        Returns:
            ``loss`` (summed over layers; in the head's phase the head's), ``loss_layer<l>``, ``loss_head``.
        """
        if self.phase == local.HEAD:
            with torch.no_grad():
                activations, _ = self._forward(batch, goodness_of=0)
            return self.with_head({}, self.learn_head(activations, batch["label"]))
        learn = self._learn_closed_form if self._layers else self._learn
        activations, layer_losses = learn(batch, self.learning())
        self.steps += 1
        out = {f"loss_layer{layer}": loss for layer, loss in enumerate(layer_losses)}
        out["loss"] = torch.stack(layer_losses).sum()
        return self.with_head(out, self.learn_head(activations, batch["label"]) if self.head_learns else None)

    def _learn(self, batch: Batch, learning: list[int]) -> tuple[list[Tensor], list[Tensor]]:
        """Every group's forward pass and update; returns the maps that the head reads and each layer's mean loss."""
        inputs: list[Tensor | None] = [self.images(batch)]
        layer_losses: list[Tensor] = []
        label_B = batch["label"]
        blocks = [block for _, block in self.modes(learning)]
        groups = updates.groups(self.hp["update"], self.layers, self.hp["block_layers"], self.steps)
        top = self._top(learning)
        for place, group in enumerate(groups):
            if group[0] > top:
                break
            last = group[-1]
            later = {layer for other in groups[place + 1 :] for layer in other}
            hs = self._run(blocks, group, inputs[group[0]], learning, again=len(inputs) - 1)
            for layer, h in zip(group, hs, strict=True):
                if layer + 1 == len(inputs):
                    inputs.append(h.detach())
                    loss = self._loss(self._goodness(h), label_B).mean()
                    layer_losses.append(loss.detach())
                    if layer == last and loss.requires_grad:
                        self._backward(group, hs, loss, label_B)
            for layer in set(group) - later:
                if layer in learning:
                    self.optimizers[layer].step()
                self.optimizers[layer].zero_grad()
            # Nothing above needs the maps below the next group, but for those that the head reads.
            for index in range(min(min(later, default=self.layers), self.layers + 1 - self.head.layers)):
                inputs[index] = None
            del hs, h, loss
        return inputs[-self.head.layers :], layer_losses

    def _top(self, learning: list[int]) -> int:
        """The highest layer that has to be computed: those above the last learning one are needed by the head alone."""
        return self.layers - 1 if self.head_learns or not learning else max(learning)

    def _layer(self, block: ConvBlock) -> conv_layer.Layer:
        """A block's tensors for the closed form.

        Raises:
            FfreproError: the closed form cannot learn this block, or not with these settings.
        """
        plain = isinstance(block, ConvBlock) and block.bn is not None and block.conv.groups == 1
        if not plain or self.hp["update"] not in ("simultaneous", "greedy"):
            raise FfreproError(
                "the closed form is for convolutions behind BatchNorm that learn one by one",
                where="method.gradient",
                fix="set `gradient` to autograd, or `update` to simultaneous and `cfse` to false",
            )
        return conv_layer.layer_of(block.conv, block.bn, block.pool)

    @torch.no_grad()
    def _learn_closed_form(self, batch: Batch, learning: list[int]) -> tuple[list[Tensor], list[Tensor]]:
        """``_learn`` in closed form, for layers that learn one by one: equal numbers without autograd.

        Where all layers learn, their maps and workspace keep to ``conv_block.PEAK``: no other map is held meanwhile.
        """
        h, moments = conv_block.load(self.images(batch))
        chunks = conv_block.chunks(self._layers, h.shape, h.element_size())
        top = self._top(learning)
        activations: list[Tensor] = []
        layer_losses: list[Tensor] = []
        label_B = batch["label"]

        def slope(g_nJ: Tensor, some: slice) -> Tensor:
            return self._slope(g_nJ, label_B[some]) / len(label_B)

        for index, (layer, block, chunk) in enumerate(zip(self._layers, self.net.blocks, chunks, strict=True)):
            if index > top:
                break
            if index in learning:
                grads = conv_layer.gradients_of(block.conv, block.bn)
                h, g_BJ, moments = conv_block.learn(layer, h, moments, self.classes, slope, grads, chunk)
                block.bn.num_batches_tracked += 1
                self.optimizers[index].step()
            else:
                h, g_BJ = conv_block.forward(layer, h, self.classes)
                var_C, mean_C = torch.var_mean(h[..., :-1], dim=(0, 1, 2), correction=0)
                moments = Moments(mean_C, var_C, h[..., 0].numel())
            layer_losses.append(self._loss(g_BJ, label_B).mean())
            if index >= self.layers - self.head.layers:
                activations.append(h[..., :-1].permute(0, 3, 1, 2))
        return activations, layer_losses

    def _run(self, blocks: list, group: list[int], x: Tensor, learning: list[int], again: int) -> list[Tensor]:
        """The maps of a group's layers, with a graph where something in the group learns; layers below ``again`` have
        seen the batch in the group before."""
        hs = []
        graph = False
        for layer in group:
            graph = graph or layer in learning
            with torch.set_grad_enabled(graph), seen_again(blocks[layer]) if layer < again else nullcontext():
                x = blocks[layer](x)
            hs.append(x)
            if self.hp["feedback"] == "random":
                x = x.detach()
        return hs

    def _backward(self, group: list[int], hs: list[Tensor], loss: Tensor, label_B: Tensor) -> None:
        loss.backward()
        if self.hp["feedback"] != "random" or len(group) == 1:
            return
        with torch.no_grad():
            error_BJ = self._slope(self._goodness(hs[-1]), label_B) / len(label_B)
        for layer, h in zip(group[:-1], hs[:-1], strict=True):
            if h.requires_grad:
                signal = (error_BJ @ self._feedback[layer].flatten(1)).view(h.shape) / self.classes**0.5
                h.backward(signal / h[0].numel())

    def _goodness(self, h: Tensor) -> Tensor:
        """(B, classes) of a layer's map."""
        square_BC = h.square().flatten(2).sum(2, dtype=wide(h)) if h.ndim > 2 else h.square().to(wide(h))
        return grouped(square_BC, self.classes, h[0, 0].numel())

    def _loss(self, g_BJ: Tensor, label_B: Tensor) -> Tensor:
        """Each sample's loss (B,)."""
        return class_losses.loss(g_BJ, label_B, self.hp)

    def _slope(self, g_BJ: Tensor, label_B: Tensor) -> Tensor:
        """d loss / d goodness, each sample's own (B, classes)."""
        return class_losses.slope(g_BJ, label_B, self.hp)

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """Evaluate a batch sample by sample, without learning.

        Returns:
            ``layer_scores`` (B, L, classes): goodness. ``scores_goodness``: summed over the last ``infer_layers``
            layers (Sec. III, item 4: the paper's multi-pass, though grouped nets take one forward pass);
            ``scores_last1``, ``scores_last3``, ``scores_all``: over other layers. ``scores_one_pass``: the head's
            logits, once it counts. ``loss`` (B, L), and the head's as a last column once it counts.
        """
        label_B = batch["label"]
        activations, goods = self._forward(batch, goodness_of=self.layers)
        g_BLJ = torch.stack(goods, 1)
        loss = [self._loss(g_BJ, label_B) for g_BJ in goods]
        out = {"layer_scores": g_BLJ, "scores_goodness": g_BLJ[:, -self.hp["infer_layers"] :].sum(1)}
        out |= {f"scores_last{last}": g_BLJ[:, -last:].sum(1) for last in LAST} | {"scores_all": g_BLJ.sum(1)}
        if self.head_counts:
            out["scores_one_pass"] = self._one_pass(activations)
            loss.append(F.cross_entropy(out["scores_one_pass"], label_B, reduction="none"))
        return out | {"loss": torch.stack(loss, 1)}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes) under one inference scheme, computing what that scheme needs."""
        if inference == "one_pass":
            return self._one_pass(self._forward(inputs, goodness_of=0)[0])
        schemes = {"goodness": self.hp["infer_layers"], "all": self.layers} | {f"last{last}": last for last in LAST}
        return torch.stack(self._forward(inputs, goodness_of=schemes[inference])[1], 1).sum(1)

    def _forward(self, inputs: Batch, goodness_of: int) -> tuple[list[Tensor], list[Tensor]]:
        """The maps that the head reads, and the goodness (B, classes) of the last ``goodness_of`` layers."""
        x = self.images(inputs)
        activations, goods = [], []
        for index, block in self.modes([]):
            x = block(x)
            activations = [*activations, x][-self.head.layers :]
            if index >= self.layers - goodness_of:
                goods.append(self._goodness(x))
        return activations, goods

    def _one_pass(self, activations: list[Tensor]) -> Tensor:
        self.head.eval()
        return self.head(activations)

    def exits(self, inputs: Batch) -> tuple[Tensor, list[Callable[[Tensor], tuple[Tensor, Tensor]]]]:
        """Input and layers of ``core.early_exit.run``."""

        def layer(block: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
            def run(x: Tensor) -> tuple[Tensor, Tensor]:
                h = block(x)
                return h, self._goodness(h)

            return run

        return self.images(inputs), [layer(block) for _, block in self.modes([])]

    def state_dict(self) -> dict:
        """State of the base class, the number of steps (layer groups may depend on it) and the random feedback."""
        own = {"steps": self.steps, "feedback": self._feedback}
        return super().state_dict() | own | self.interleaved.state_dict()

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        super().load_state_dict(state)
        self.steps, self._feedback = state["steps"], state["feedback"]
        self.interleaved.load_state_dict(state)
