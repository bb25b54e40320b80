"""A batch becomes losses: the network inputs normalized, the arithmetic chosen, kept features used where there are
any."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskwright.engines.torch_engine import TorchEngine, normalize
from maskwright.training.feature_cache import FeatureCache, Kept, together
from maskwright.training.loader import Batch, KnownViews


class Objective:
    """What is to become small. The same for the network in training, for its average, and for a copy of it."""

    def __init__(self, engine: TorchEngine, cache: FeatureCache) -> None:
        self.engine, self.cache = engine, cache

    def __call__(self, network: nn.Module, batch: Batch | KnownViews, seed: int) -> dict[str, Tensor]:
        """Losses by name, each a scalar; `seed` draws the anchors and proposals that are learned from."""
        generator = torch.Generator().manual_seed(seed)
        with self.engine.autocast():
            if isinstance(batch, Batch):
                network_input, sizes = self._network_input(batch)
                return network.losses(network_input, sizes, self._targets(batch), generator)  # type: ignore[operator]
            views = self.views(network, batch)
            maps = together(views)
            finest: int = network.backbone.strides[0]  # type: ignore[union-attr,index,assignment]
            sizes = [(maps[0].shape[2] * finest, maps[0].shape[3] * finest)] * len(views)
            return network.losses_from_features(maps, sizes, [view.target for view in views], generator)  # type: ignore[operator]

    def views(self, network: nn.Module, batch: KnownViews) -> list[Kept]:
        """What the backbone made of each view: kept, or computed now."""
        views: dict[tuple[int, int], Kept] = {}
        for key in dict.fromkeys(batch.keys):
            kept = self.cache.get(key)
            if kept is None:
                one = batch.fresh[key]
                network_input, _ = self._network_input(one)
                kept = self.cache.fill(
                    key,
                    self._targets(one)[0],
                    lambda network_input=network_input: network.backbone(network_input),  # type: ignore[operator,misc]
                )
            views[key] = kept
        return [views[key] for key in batch.keys]

    def _network_input(self, batch: Batch) -> tuple[Tensor, list[tuple[int, int]]]:
        sizes = [batch.network_inputs.shape[1:3]] * len(batch.network_inputs)
        return normalize(batch.network_inputs, self.engine.card, sizes, self.engine.device), sizes

    def _targets(self, batch: Batch):
        return [target.to(self.engine.device) for target in batch.targets]
