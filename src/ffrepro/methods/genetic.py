"""Genetic algorithm (PyGAD) on all parameters of a net; one generation for each batch.

Selection and elitism of PyGAD, normal mutation of every parameter as in Such et al. 2017 (arXiv 1712.06567). The
learning rate is the standard deviation of that mutation, so that a schedule narrows the search.
"""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer
from ffrepro.methods.base import Batch
from ffrepro.methods.derivative_free import DerivativeFree

VERSION = 1  # of its numbers: tests/golden/genetic.json
SETTINGS = {
    "population": integer("parameter vectors", 50, minimum=3),
    "parents": integer("of them those that have offspring", 10, minimum=2),
    "elite": integer("best vectors that live on as they are", 1, minimum=1),
    "crossover": choice("how two parents are mixed", "none", "single_point", "uniform", default="uniform"),
}


class Method(DerivativeFree):
    """One step: PyGAD's next generation, its losses on a batch, and the best vector into the net.

    All vectors start as the net's initial weights. The elite is judged anew on every batch.
    """

    def __init__(self, net: nn.Module, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator)
        self.mutation_std = lr
        self.losses_P = torch.zeros(hyperparameters["population"])
        self.algorithm = self._make(self.vector().repeat(hyperparameters["population"], 1))

    def set_lr(self, lr: float) -> None:
        """Set the standard deviation of mutations."""
        self.mutation_std = lr

    @property
    def population_PD(self) -> Tensor:
        """A copy of this generation's parameter vectors; PyGAD puts the next one in their place."""
        return torch.from_numpy(self.algorithm.population.copy()).to(self.parameters[0])

    @torch.no_grad()
    def step(self, batch: Batch) -> Batch:
        """One generation; ``loss`` is its best vector's mean cross-entropy."""
        self._breed()
        population_PD = self.population_PD
        losses_P = torch.stack([self.loss(vector_D, batch) for vector_D in population_PD])
        # A loss that is no number is the worst that there is.
        self.losses_P = losses_P.nan_to_num(nan=torch.finfo(losses_P.dtype).max).cpu()
        best = self.losses_P.argmin()
        self.load_vector(population_PD[best])
        return {"loss": losses_P[best]}

    def _breed(self) -> None:
        """Put the offspring of the best in the place of this generation."""
        seed = int(torch.randint(2**32 - 1, (), generator=self.generator))
        self.algorithm.numpy_random_generator = np.random.RandomState(seed)
        self.algorithm.python_random_generator = random.Random(seed)
        self.algorithm.last_generation_fitness = -self.losses_P.double().numpy()
        self.algorithm.run_select_parents()
        self.algorithm.run_crossover()
        self.algorithm.run_mutation()
        self.algorithm.run_update_population()

    def _make(self, population_PD: Tensor):
        """PyGAD's algorithm on a population; made once, since it checks every gene."""
        try:
            import pygad
        except ImportError:
            fix = "pip install pygad"
            raise FfreproError("the genetic algorithm needs PyGAD", where="method.name", fix=fix) from None
        population = population_PD.cpu().numpy()
        return pygad.GA(
            num_generations=1,
            initial_population=population,
            gene_type=population.dtype.type,
            num_parents_mating=self.hp["parents"],
            fitness_func=_unused,
            parent_selection_type="sss",  # the best ones
            crossover_type=None if self.hp["crossover"] == "none" else self.hp["crossover"],
            mutation_type=self._mutate,
            keep_elitism=self.hp["elite"],
            suppress_warnings=True,
        )

    def _mutate(self, offspring: np.ndarray, algorithm) -> np.ndarray:
        noise = algorithm.numpy_random_generator.standard_normal(offspring.shape)
        return (offspring + self.mutation_std * noise).astype(offspring.dtype)

    def state_dict(self) -> dict:
        """The best vector, the population with its losses, and the generator."""
        return super().state_dict() | {"population": self.population_PD, "losses": self.losses_P}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        super().load_state_dict(state)
        self.algorithm.population = state["population"].cpu().numpy().copy()
        self.losses_P = state["losses"].clone()


def _unused(algorithm, solution, index):
    """PyGAD wants a fitness function at once; losses are computed here, once a batch."""
    raise NotImplementedError
