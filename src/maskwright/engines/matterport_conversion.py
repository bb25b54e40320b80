"""matterport's networks as graphs: the layers of models/matterport/network.py, as plain convolutions."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from maskwright.engines.graphs import BOX_HEAD, MASK_HEAD, NETWORK
from maskwright.engines.matterport_kinds import MatterportMolded, MatterportTwoStage
from maskwright.engines.tracing import EXAMPLE, Normalized, Write, example
from maskwright.models.matterport.detector import Matterport
from maskwright.models.matterport.model import MatterportMaskRCNN
from maskwright.models.matterport.network import MatterportNetwork
from maskwright.weights.card import Card


class PlainNetwork(MatterportNetwork):
    """The layers of a network without what brings torch's results on a CPU to the original's last bits: sums in bands,
    Winograd's rule. Normalizations are multiplied into the kernels, except for that of conv1."""

    def __init__(self, network: MatterportNetwork) -> None:
        nn.Module.__init__(self)  # none of its own weights are made
        self.settings, self.precision, self.mode, self.parts = network.settings, "fp32", network.mode, network.parts
        self._ready = {}
        self.merged: dict[tuple[str, str | None], tuple[Tensor, Tensor]] = {}

    def _apart(self, name: str) -> bool:
        return name == "conv1"

    def _in_tiles(self, name: str) -> bool:
        return False

    def _in_bands(self, name: str) -> bool:
        return False

    def _normalize(self, x: Tensor, norm: str) -> Tensor:
        scale, shift = (item.view(1, -1, 1, 1) for item in self._affine(norm))
        return x * scale + shift

    def _kernel(self, name: str, norm: str | None) -> tuple[Tensor, Tensor]:
        """Computed once, before the network is traced: later they are constants."""
        if (name, norm) not in self.merged:
            self.merged[name, norm] = super()._kernel(name, norm)
        return self.merged[name, norm]


class MatterportDense(Normalized):
    def __init__(self, network: PlainNetwork, card: Card) -> None:
        super().__init__(card)
        self.network = network

    def forward(self, pixels: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        levels = self.network.pyramid(self.network.maps(self.images(pixels, size)))
        _, probs, deltas = self.network.rpn(levels)
        return (*(level.permute(0, 2, 3, 1) for level in levels[:4]), probs[..., 1], deltas)


class MatterportBoxHead(nn.Module):
    def __init__(self, network: PlainNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = self.network.box_head(pooled.flatten(1))
        return logits.softmax(1), deltas.unflatten(1, (-1, 4))


class MatterportMaskHead(nn.Module):
    """Of each box the mask of its own class only."""

    def __init__(self, network: PlainNetwork) -> None:
        super().__init__()
        self.network = network
        last = network.parts["mrcnn_mask"]
        assert isinstance(last.kernel, Tensor) and isinstance(last.bias, Tensor)
        self.kernel, self.bias = last.kernel.detach(), last.bias.detach()

    def forward(self, pooled: Tensor, classes: Tensor) -> Tensor:
        hidden = self.network.mask_features(pooled.permute(0, 3, 1, 2))
        return ((hidden * self.kernel[classes + 1]).sum(1) + self.bias[classes + 1, None, None]).sigmoid()


def convert_matterport(
    network: Matterport | MatterportMaskRCNN, card: Card, folder: Path, write: Write
) -> MatterportTwoStage:
    """Write the three graphs, and return the kind: of a weight file's network that which resizes by itself."""
    keras = network.keras if isinstance(network, Matterport) else network
    plain, settings = PlainNetwork(keras), keras.settings
    kind = MatterportTwoStage if isinstance(network, Matterport) else MatterportMolded
    channels, side, mask_side = settings.top_down_pyramid_size, settings.pool_size, settings.mask_pool_size
    pooled, of_masks = torch.zeros(3, side, side, channels), torch.zeros(3, mask_side, mask_side, channels)
    graphs = [
        (NETWORK, MatterportDense(plain, card), example(EXAMPLE), ("pixels",)),
        (BOX_HEAD, MatterportBoxHead(plain), {"pooled": pooled}, ("pooled",)),
        (MASK_HEAD, MatterportMaskHead(plain), {"pooled": of_masks, "classes": torch.zeros(3, dtype=torch.long)},
         ("pooled", "classes")),
    ]  # fmt: skip
    for name, module, inputs, open_inputs in graphs:
        with torch.no_grad():
            module(*inputs.values())  # merges the kernels
        write(module, inputs, folder / name, open_inputs)
    return kind(**{name: getattr(settings, name) for name in kind.__struct_fields__})
