"""After the first epoch: is anything learned at all? If not, a trial on a single batch says why."""

from __future__ import annotations

import copy

import torch

from maskwright.issues import Issue, Kind
from maskwright.models.base import Network, stands_still, training_mode
from maskwright.training.feature_cache import FeatureCache
from maskwright.training.loader import Batch, CachedBatch, Loader
from maskwright.training.recipe import Recipe
from maskwright.training.step import NotFiniteError, Objective, training_step

STEPS = 12
LEARNED = 0.9  # a network that learns brings the loss of one batch below this fraction in a dozen steps
NOT_LEARNED_YET = Kind(
    "not_learned_yet",
    "warning",
    "no validation image is right yet, but the network learns (the loss of one batch went from {before:.2f} to "
    "{after:.2f} in {steps} steps): {fix}",
    fix="train longer, or start from better --weights",
)
NOTHING_LEARNED = Kind(
    "nothing_learned",
    "warning",
    "nothing is learned (the loss of one batch went from {before:.2f} to {after:.2f} in {steps} steps): {fix}",
    fix="look at the annotations with `maskwright show`, try a higher --lr or more layers (--layers all)",
)


def diagnose(network: Network, objective: Objective, loader: Loader, recipe: Recipe) -> Issue:
    """What a trial says about a run whose first epoch left no validation image right."""
    before, after = overfit(network, objective, loader, recipe)
    trial = {"before": before, "after": after, "steps": STEPS}
    if after < LEARNED * before:
        return NOT_LEARNED_YET(**trial)
    start = "" if recipe.weights == "bundled" else ", or --weights bundled"
    return NOTHING_LEARNED(fix=NOTHING_LEARNED.fix + start, **trial)


def overfit(network: Network, objective: Objective, loader: Loader, recipe: Recipe) -> tuple[float, float]:
    """The first and the last loss of a copy of the network trained on one batch alone; the run stays as it is."""
    network = copy.deepcopy(network)
    training_mode(network, recipe.train_bn)
    if stands_still(network):  # then the backbone needs to see the batch only once
        objective = Objective(objective.engine, FeatureCache())
        batch: Batch | CachedBatch = next(loader.cached_epoch(0, 0, 1, objective.cache))
    else:
        batch = next(loader.epoch(0))
    share = loader.share.alone  # nobody else tries
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.stages[0].lr)
    losses = []
    for _ in range(STEPS):
        try:
            step = training_step(objective, network, optimizer, batch, 0, recipe.grad_clip, share)
        except NotFiniteError:
            losses.append(float("inf"))
            break
        losses.append(sum(step.values()))
    return losses[0], losses[-1]
