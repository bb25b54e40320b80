"""A batch becomes losses: the canvases normalised, the arithmetic chosen, kept features used where there are any."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskwright.engines.torch_engine import TorchEngine, normalise
from maskwright.training.feature_cache import FeatureCache, Kept, together
from maskwright.training.loader import Batch, KnownViews


class Objective:
    """What is to become small. The same for the network in training, for its average, and for a copy of it."""

    def __init__(self, engine: TorchEngine, cache: FeatureCache) -> None:
        self.engine, self.cache = engine, cache

    def __call__(self, network: nn.Module, batch: Batch | KnownViews, seed: int) -> dict[str, Tensor]:
        """Losses by name, each a scalar; `seed` draws the anchors and proposals that are learnt from."""
        generator = torch.Generator().manual_seed(seed)
        with self.engine.autocast():
            if isinstance(batch, Batch):
                canvas, sizes = self._canvas(batch)
                return network.losses(canvas, sizes, self._truths(batch), generator)  # type: ignore[operator]
            views = self.views(network, batch)
            maps = together(views)
            finest: int = network.backbone.strides[0]  # type: ignore[union-attr,index,assignment]
            sizes = [(maps[0].shape[2] * finest, maps[0].shape[3] * finest)] * len(views)
            return network.losses_of(maps, sizes, [view.truth for view in views], generator)  # type: ignore[operator]

    def views(self, network: nn.Module, batch: KnownViews) -> list[Kept]:
        """What the backbone made of each view: kept, or computed now."""
        views: dict[tuple[int, int], Kept] = {}
        for key in dict.fromkeys(batch.keys):
            kept = self.cache.get(key)
            if kept is None:
                one = batch.fresh[key]
                canvas, _ = self._canvas(one)
                kept = self.cache.fill(key, self._truths(one)[0], lambda canvas=canvas: network.backbone(canvas))  # type: ignore[operator,misc]
            views[key] = kept
        return [views[key] for key in batch.keys]

    def _canvas(self, batch: Batch) -> tuple[Tensor, list[tuple[int, int]]]:
        sizes = [batch.canvases.shape[1:3]] * len(batch.canvases)
        return normalise(batch.canvases, self.engine.card, sizes, self.engine.device), sizes

    def _truths(self, batch: Batch):
        return [truth.to(self.engine.device) for truth in batch.truths]
