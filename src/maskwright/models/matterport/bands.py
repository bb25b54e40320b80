"""Convolutions of float32 maps by matrix products, a few lines of the map at a time.

Two ends are met: what follows a product (normalisation, shortcut, ReLU) finds it still in the processor's cache, and
sums are added up in blocks. torch's own channels-last convolutions add all products of an output in one chain, which
in a ResNet-101 costs a third of the distance to the original that one may have.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BAND = 2**18  # float32 values of a band: 1 MiB, of the 1 to 2 MiB that a core has nearest to it


def convolve(
    x: Tensor,
    kernel: Tensor,
    shift: Tensor,
    scale: Tensor | None = None,
    onto: Tensor | None = None,
    *,
    stride: int = 1,
    relu: bool = False,
) -> Tensor:
    """relu(convolution · scale + shift + onto), without a gradient: B×D×h×w, channels last.

    x       B×C×H×W, channels last;  kernel  D×C×k×k, k odd, the map padded to keep its size; stride where k is 1
    shift   D, scale D;  onto  B×D×h×w, channels last: takes the result, and is given back

    >>> convolve(torch.ones(1, 2, 4, 4), torch.ones(3, 2, 3, 3), torch.zeros(3))[0, 0, 0]
    tensor([ 8., 12., 12.,  8.])
    """
    depth, _, side, _ = kernel.shape
    weights = kernel.permute(2, 3, 1, 0).flatten(0, 1)  # one matrix C×D for each cell of the kernel
    lines = x.permute(0, 2, 3, 1)[:, ::stride, ::stride]
    batch, height, width, _ = lines.shape
    if side > 1:  # as rows one after the other, each cell of the kernel is one step along them
        rest = side // 2
        lines = F.pad(lines, (0, 0, rest, rest, rest, rest + 1))
    wide = width + side - 1
    result = x.new_empty(batch, height, width, depth) if onto is None else onto.permute(0, 2, 3, 1)
    count = min(max(BAND // (wide * depth), 1), height)
    band = x.new_empty(count * wide, depth)
    for rows, image in zip(lines.flatten(1, 2), result, strict=True):
        for top in range(0, height, count):
            out = image[top : top + count]
            product = band[: len(out) * wide]
            for index, weight in enumerate(weights):
                first = (top + index // side) * wide + index % side
                torch.addmm(product, rows[first : first + len(product)], weight, beta=int(index > 0), out=product)
            inner = product.view(len(out), wide, depth)[:, :width]
            _finish(inner, out, shift, scale, onto is not None)
            if relu:
                out.relu_()
    return result.permute(0, 3, 1, 2)


def _finish(product: Tensor, out: Tensor, shift: Tensor, scale: Tensor | None, add: bool) -> None:
    target = product if add else out
    if scale is None:
        torch.add(product, shift, out=target)
    else:
        torch.addcmul(shift, product, scale, out=target)
    if add:
        out.add_(product)
