"""3×3 convolutions of wide float32 maps with 4/9 of the products: Winograd's F(2×2, 3×3), a few lines at a time.

Four neighboring outputs of one channel pair need 36 products; made from sums of the 4×4 inputs below them, 16. Not
less exact than torch's own channels-last way, which adds up more in one chain. From Lavin and Gray, "Fast algorithms
for convolutional neural networks", 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BAND = 2**18  # float32 values of the products of a band, or those of two lines: 1 MiB
KERNEL = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def prepare(kernel: Tensor) -> Tensor:
    """D×C×3×3 -> the 16 matrices C×D that `convolve` takes."""
    turn = torch.tensor(KERNEL, dtype=torch.float64, device=kernel.device)
    wide = torch.einsum("ik,dckl,jl->ijcd", turn, kernel.double(), turn)
    return wide.flatten(0, 1).to(kernel.dtype).contiguous()


def convolve(x: Tensor, matrices: Tensor, bias: Tensor) -> Tensor:
    """convolution + bias, padded to keep its size, without a gradient: B×C×H×W -> B×D×H×W, channels last.

    >>> convolve(torch.ones(1, 2, 4, 4), prepare(torch.ones(3, 2, 3, 3)), torch.zeros(3))[0, 0, 0]
    tensor([ 8., 12., 12.,  8.])
    """
    lines = x.permute(0, 2, 3, 1)
    batch, height, width, channels = lines.shape
    depth, across = matrices.shape[2], -(-width // 2)
    result = x.new_empty(batch, height, width, depth)
    down = min(max(BAND // (16 * across * depth), 1), -(-height // 2))  # pairs of lines at once
    for image, out in zip(lines, result, strict=True):
        for top in range(0, height, 2 * down):
            pairs = min(down, -(-(height - top) // 2))
            first, last = max(top - 1, 0), min(top + 2 * pairs + 1, height)
            above, below = int(top == 0), top + 2 * pairs + 1 - last
            window = F.pad(image[first:last], (0, 0, 1, 1 + width % 2, above, below))
            sums = _spread(_spread(window, 0), 2)  # 4 × pairs × 4 × across × C
            sums = sums.transpose(1, 2).reshape(16, pairs * across, channels)
            products = torch.bmm(sums, matrices).view(4, 4, pairs, across, depth)
            _gather(products, bias, out[top : top + 2 * pairs])
    return result.permute(0, 3, 1, 2)


def _spread(x: Tensor, axis: int) -> Tensor:
    """Along an axis of 2n + 2, the four sums of each of its n windows of 4: 4 × n at its place."""
    count = x.shape[axis] // 2 - 1
    a, b, c, d = (x.narrow(axis, start, 2 * count - 1).unfold(axis, 1, 2).squeeze(-1) for start in range(4))
    result = x.new_empty(*x.shape[:axis], 4, count, *x.shape[axis + 1 :])
    for index, (one, other, sign) in enumerate(((a, c, -1), (b, c, 1), (c, b, -1), (b, d, -1))):
        torch.add(one, other, alpha=sign, out=result.select(axis, index))
    return result


def _gather(products: Tensor, bias: Tensor, out: Tensor) -> None:
    """4×4×pairs×across×D -> lines×width×D, in place; a line or column beyond the map is left out."""
    products[0].add_(products[1]).add_(products[2])
    products[1].sub_(products[2]).sub_(products[3])
    for row in range(2):
        at = products[row]
        at[0].add_(at[1]).add_(at[2]).add_(bias)
        at[1].sub_(at[2]).sub_(at[3]).add_(bias)
        for column in range(2):
            outputs = out[row::2, column::2]
            outputs.copy_(at[column, : outputs.shape[0], : outputs.shape[1]])
