"""Which stage and which learning rate: by epochs, or by the clock where there is a time budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

from maskwright.training.recipe import Recipe, Stage

FLOOR = 0.01  # the cosine ends at this fraction of the learning rate, not at 0: the last epochs still count


@dataclass(frozen=True)
class Schedule:
    """Cosine over the whole run (or a constant rate), a short warm-up at the start of each stage."""

    recipe: Recipe
    steps_per_epoch: int

    @property
    def total_steps(self) -> int:
        return self.recipe.epochs * self.steps_per_epoch

    def fraction(self, step: int, seconds: float) -> float:
        """How much of the run is done, 0..1."""
        budget = self.recipe.time_budget
        return min(seconds / budget if budget else step / self.total_steps, 1.0)

    def stage(self, fraction: float) -> tuple[int, Stage]:
        done = 0.0
        for index, stage in enumerate(self.recipe.stages):
            done += stage.epochs / self.recipe.epochs
            if fraction < done - 1e-9:
                return index, stage
        return len(self.recipe.stages) - 1, self.recipe.stages[-1]

    def lr(self, fraction: float, stage: Stage, steps_in_stage: int) -> float:
        """The learning rate of the next step, before the factors of the parameter groups."""
        warm = min((steps_in_stage + 1) / max(self.recipe.warmup_steps, 1), 1.0)
        if self.recipe.schedule == "constant":
            return stage.lr * warm
        return stage.lr * warm * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * fraction)))
