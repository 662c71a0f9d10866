"""Forward-Forward with a plateau schedule of its own for every block and for the head."""

from ffrepro.core import schedules
from ffrepro.methods import ff

SETTINGS = ff.SETTINGS


class Method(ff.Method):
    """As ``ff``; each optimizer follows the loss that it lowers."""

    def begin_schedule(self, settings, epochs):
        """One schedule for each optimizer."""
        self.schedules = [schedules.build(settings, epochs) for _ in self.optimizers]

    def end_epoch(self, train, val):
        """Each by its own training loss."""
        names = [*(f"loss_layer{layer}" for layer in range(self.layers)), "loss_head"]
        for schedule, optimizer, name in zip(self.schedules, self.optimizers, names, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = schedule.update(train[name])

    def rates(self):
        """Of every block, and of the head."""
        return {"lr": self.schedules[-1].lr} | {f"lr_layer{i}": s.lr for i, s in enumerate(self.schedules[:-1])}
