"""One step of training: a batch becomes losses, their gradient is clipped, the weights are updated.

The trainer, the diagnosis after the first epoch and the estimate of the run time all go through these functions.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from maskwright.engines.torch_engine import TorchEngine, normalize
from maskwright.models.base import Loss, Network, Targets
from maskwright.training.feature_cache import CachedView, FeatureCache, collate_features
from maskwright.training.loader import WHOLE_STEP, Batch, CachedBatch, StepShare


class NotFiniteError(ArithmeticError):
    """The loss or the gradient is no longer a number. field  which of them"""

    def __init__(self, headline: str, field: str) -> None:
        super().__init__(headline)
        self.headline, self.field = headline, field


class Objective:
    """The losses of a network on a batch: inputs normalized, precision chosen, cached features used where there are
    any. The same for the network in training, for its average, and for a copy of it."""

    def __init__(self, engine: TorchEngine, cache: FeatureCache) -> None:
        self.engine, self.cache = engine, cache

    def __call__(self, network: Network, batch: Batch | CachedBatch, seed: int) -> dict[str, Loss]:
        """Losses by name; `seed` and its index in the epoch draw what is sampled of an image."""
        generators = [_generator(seed, index) for index in batch.indices]
        with self.engine.autocast():
            if isinstance(batch, Batch):
                images, sizes = self.normalized(batch)
                return network.losses(images, sizes, self._targets(batch), generators)
            views = self.views(network, batch)
            features = collate_features(views)
            stride: int = network.backbone.strides[0]
            sizes = [(features[0].shape[2] * stride, features[0].shape[3] * stride)] * len(views)
            return network.losses_from_features(features, sizes, [view.targets for view in views], generators)

    def views(self, network: Network, batch: CachedBatch) -> list[CachedView]:
        """The features of each view: from the cache, or computed now."""
        views: dict[tuple[int, int], CachedView] = {}
        for key in dict.fromkeys(batch.keys):
            cached = self.cache.get(key)
            if cached is None:
                single = batch.missing[key]
                images, _ = self.normalized(single)
                cached = self.cache.fill(
                    key, self._targets(single)[0], lambda images=images: network.backbone(images)  # type: ignore[misc]
                )  # fmt: skip
            views[key] = cached
        return [views[key] for key in batch.keys]

    def normalized(self, batch: Batch) -> tuple[Tensor, list[tuple[int, int]]]:
        """(B, 3, H, W) float32 on the device, and the size of each image."""
        height, width = batch.network_inputs.shape[1:3]
        sizes = [(height, width)] * len(batch.network_inputs)
        return normalize(batch.network_inputs, self.engine.card, sizes, self.engine.device), sizes

    def _targets(self, batch: Batch) -> list[Targets]:
        return [target.to(self.engine.device) for target in batch.targets]


def _generator(seed: int, index: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, index]).generate_state(1)
    return torch.Generator().manual_seed(int(mixed[0]))


def backward(
    objective: Objective, network: Network, batch: Batch | CachedBatch, seed: int, share: StepShare = WHOLE_STEP
) -> dict[str, Tensor]:
    """The losses of a step's images, each a scalar; the gradient of their sum is added to the parameters' own."""
    names, means = [], torch.zeros(())
    for part in batch.parts(share.batches):
        losses = objective(network, part, seed)
        totals = torch.stack([loss.total for loss in losses.values()])
        counts = share.processes.sum(totals.new_tensor([float(loss.count) for loss in losses.values()]))
        part_means = totals / counts.clamp(min=1) / share.batches  # over the images of all processes
        part_means.sum().backward()
        names, means = list(losses), means.to(totals) + part_means.detach()
    return dict(zip(names, share.processes.sum(means), strict=True))


def training_step(
    objective: Objective,
    network: Network,
    optimizer: torch.optim.Optimizer,
    batch: Batch | CachedBatch,
    seed: int,
    grad_clip: float,
    share: StepShare = WHOLE_STEP,
) -> dict[str, float]:
    """Update the weights by one batch; NotFiniteError before they are touched, so that what is saved stays good."""
    optimizer.zero_grad(set_to_none=True)
    losses = {name: float(value) for name, value in backward(objective, network, batch, seed, share).items()}
    if not math.isfinite(sum(losses.values())):
        bad = ", ".join(name for name, value in losses.items() if not math.isfinite(value))
        raise NotFiniteError("the loss is no longer a number", f"losses: {bad}")
    share.processes.add_gradients(network)
    trained = [parameter for parameter in network.parameters() if parameter.grad is not None]
    norm = nn.utils.clip_grad_norm_(trained, grad_clip)
    if not math.isfinite(float(norm)):
        raise NotFiniteError("the gradient is no longer a number", "gradients")
    optimizer.step()
    share.processes.average_statistics(network)
    return losses
