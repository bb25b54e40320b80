"""What networks are built of: convolutions with their norm, a depthwise convolution that trains fast.

Submodules carry torchvision's names, so its state dicts load key by key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Callable[[int], nn.Module]
Activation = type[nn.ReLU] | type[nn.ReLU6] | type[nn.Hardswish]


class Conv(Protocol):
    """PlainConv or SeparableConv, as the pyramid and the proposal head take them."""

    def __call__(
        self, inputs: int, outputs: int, kernel: int, norm: Norm | None = None, relu: bool = False
    ) -> nn.Module: ...


def ssdlite_norm(channels: int) -> nn.Module:
    """SSDLite's: a slow average, as a batch holds few images of much detail."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03)


def zero_bias(layer: nn.Module) -> None:
    """Of a layer that may be built without a bias."""
    if isinstance(bias := layer.bias, nn.Parameter):
        nn.init.zeros_(bias)


def conv_norm(
    inputs: int, outputs: int, kernel: int, stride: int, norm: Norm, act: Activation | None, groups: int = 1
) -> nn.Sequential:
    """A convolution, its norm, and an activation: torchvision's Conv2dNormActivation. groups > 1: depthwise."""
    if groups > 1:
        parts: list[nn.Module] = [DepthwiseConv(inputs, kernel, stride), norm(outputs)]
    else:
        parts = [nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False), norm(outputs)]
    return nn.Sequential(*parts, act(inplace=True)) if act else nn.Sequential(*parts)


class PlainConv(nn.Sequential):
    """A convolution with bias, or without it and with a norm: torchvision's `…0` and `…1` inside a block."""

    def __init__(self, inputs: int, outputs: int, kernel: int, norm: Norm | None = None, relu: bool = False) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, bias=norm is None)
        nn.init.kaiming_uniform_(conv.weight, a=1)
        parts: list[nn.Module] = [conv]
        parts += [norm(outputs)] if norm else []
        parts += [nn.ReLU(inplace=True)] if relu else []
        super().__init__(*parts)


class SeparableConv(nn.Sequential):
    """A depthwise 3x3, then a 1x1 that mixes channels: a ninth of the work of a plain 3x3."""

    def __init__(self, inputs: int, outputs: int, kernel: int, norm: Norm | None = None, relu: bool = False) -> None:
        parts: list[nn.Module] = [DepthwiseConv(inputs, kernel)]
        parts += [nn.Conv2d(inputs, outputs, 1, bias=norm is None)]
        parts += [norm(outputs)] if norm else []
        parts += [nn.ReLU(inplace=True)] if relu else []
        super().__init__(*parts)


def same_padding(x: Tensor, kernel: int, stride: int) -> Tensor:
    """x with TensorFlow's "same" padding around it: ceil(side / stride) values of a convolution, the smaller half of an
    odd rest at the top and left."""
    pads: list[int] = []
    for side in (x.shape[3], x.shape[2]):
        # not by ceil: torch.export works on the side as an unknown, and only of the remainder does it know that it is 0
        rest = max(kernel - (side % stride or stride), 0)
        pads += [rest // 2, rest - rest // 2]
    return F.pad(x, pads)


class DepthwiseConv(nn.Conv2d):
    """A convolution of each channel by itself. Same weights, same answers as nn.Conv2d(groups=channels).

    torch's own gradient of it is slow on a CPU in bf16, for 5x5 kernels and strides most of all: it was 40 % of a
    training step (benchmarks/depthwise.py).
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1, padding: int | None = None) -> None:
        padding = kernel // 2 if padding is None else padding
        super().__init__(channels, channels, kernel, stride, padding, groups=channels, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        x = input
        if x.device.type != "cpu" or not torch.is_grad_enabled() or not (x.requires_grad or self.weight.requires_grad):
            return super().forward(x)
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        convolved: Tensor = _Depthwise.apply(x.to(kind), self.weight.to(kind), self.stride[0], int(self.padding[0]))
        return convolved


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (grad,), (x, weight) = grad_outputs, ctx.saved_tensors
        stride, padding = ctx.stride, ctx.padding
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:
            # The gradient of a convolution is one with the kernel turned round; a stride puts zeros between the values.
            around = weight.shape[2] - 1 - padding
            if stride > 1:
                height, width = (side + 2 * padding - weight.shape[2] + 1 for side in x.shape[2:])
                spread = grad.new_zeros((len(x), height, width, x.shape[1]))
                spread[:, ::stride, ::stride] = grad.permute(0, 2, 3, 1)
                spread = spread.permute(0, 3, 1, 2)
            else:
                spread = grad
            to_x = F.conv2d(spread, weight.flip(2, 3), None, 1, around, groups=len(weight))
        if ctx.needs_input_grad[1]:
            to_weight = _depthwise_weight_gradient(grad, x, weight, stride, padding)
        return to_x, to_weight, None, None


def _depthwise_weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """In tiles of 3x3, the one size for which oneDNN has a fast depthwise gradient; a 5x5 lies within four of them."""
    kernel = weight.shape[2]
    if kernel <= 3:
        return _weight_gradient(grad, x, weight, stride, padding)
    more = -kernel % 3
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, padding + more, padding, padding + more)).permute(0, 3, 1, 2)
    height, width = ((side - 1) * stride + 3 for side in grad.shape[2:])
    tile = weight[:, :, :3, :3]
    rows = []
    for top in range(0, kernel, 3):
        parts = [padded[:, :, top : top + height, left : left + width] for left in range(0, kernel, 3)]
        rows.append(torch.cat([_weight_gradient(grad, part, tile, stride, 0) for part in parts], 3))
    return torch.cat(rows, 2)[:, :, :kernel, :kernel]


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    if x.shape[3] == 1 and x.dtype != torch.float32:  # oneDNN reads past a line of one 16-bit value, whatever is there
        return _weight_gradient(grad.float(), x.float(), weight.float(), stride, padding).to(weight.dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    return torch.ops.aten.convolution_backward(
        grad, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(weight), [False, True, False]
    )[1]
