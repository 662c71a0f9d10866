"""Stages of a transformer's layers: activations of real tokens go up, and the token ids, which say where these are."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ffrepro.methods import cwc_tokens, ff_tokens
from ffrepro.methods.base import Batch
from ffrepro.methods.tokens import LocalTokenMethod
from ffrepro.nets.transformer import Layout, Transformer
from ffrepro.training.parallel.stage import Stage, refused


class TokenStage(Stage):
    """Of ``methods.cwc_tokens``, and the base of that of pairs; the first stage's first block learns the embedding."""

    def __init__(self, method: LocalTokenMethod, layers: range, example: Batch):
        super().__init__(method, layers, example)
        if type(method.net) is not Transformer:
            raise refused(f"a {type(method.net).__name__}", "use ffrepro.nets.Transformer, or set `processes` to 1")
        embedding = {id(parameter) for parameter in method.net.embedding()}
        self._embedding = {name for name, parameter in method.net.named_parameters() if id(parameter) in embedding}

    def owns(self, name: str) -> bool:
        """See ``Stage``."""
        return self.first if name in self._embedding else super().owns(name)

    def begin(self, batch: Batch) -> Batch:
        """Token ids in ``ids``, embedded in ``x``."""
        ids_BT = batch["x"].long()
        return {"ids": ids_BT, "label": batch["label"], "x": self.method.net.embed(ids_BT)[0]}

    def learn(self, taken: Batch) -> tuple[dict[str, Tensor], Batch]:
        """See ``Stage``."""
        z_ND, out = taken["x"], {}
        layout = self.method.net.layout(taken["ids"])
        for index in self.layers:
            self.method.optimizers[index].zero_grad()
            z_ND = self._learn_block(index, z_ND, layout, taken, out)
        return out, {} if self.last else taken | {"x": z_ND}

    def _learn_block(self, index: int, z_ND: Tensor, layout: Layout, taken: Batch, out: dict[str, Tensor]) -> Tensor:
        """Update a block; its detached activations. Its losses are put into ``out``."""
        method: cwc_tokens.Method = self.method
        h_ND, out[f"loss_layer{index}"] = method.learn_block(index, z_ND, layout, taken["label"])
        return h_ND


class TokenPairStage(TokenStage):
    """Of ``methods.ff_tokens``: positive and negative texts go up."""

    def __init__(self, method: ff_tokens.Method, layers: range, example: Batch):
        super().__init__(method, layers, example)
        hp = method.hp
        if hp["hinge"] == "aggregated":
            raise refused("one hinge for all layers", "set `hinge` to layer or none, or `processes` to 1")
        if hp["margin"] == "adaptive":
            raise refused("margins that move, which validation needs,", "set `margin` to fixed, or `processes` to 1")
        if hp["pass_on"] == "nothing":
            raise refused("layers that all see the embedded text", "set `pass_on` to normalised, or `processes` to 1")

    def begin(self, batch: Batch) -> Batch:
        """Token ids and labels of both halves, embedded in ``x``."""
        ids_NT, label_N = self.method.pairs(batch)
        return {"ids": ids_NT, "label": label_N, "x": self.method._embed(ids_NT, label_N)[0]}

    def _learn_block(self, index: int, z_ND: Tensor, layout: Layout, taken: Batch, out: dict[str, Tensor]) -> Tensor:
        method: ff_tokens.Method = self.method

        def again(which: Tensor) -> Any:
            return method._embed(taken["ids"][which], taken["label"][which])[0]

        drops = method.draw(method.net.blocks[index], z_ND, 2)
        h_ND, loss_P = method._learn_block(index, z_ND, layout, drops, again)
        method.optimizers[index].step()
        method._count(index, loss_P.detach(), out)
        return h_ND.detach()
