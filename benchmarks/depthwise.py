"""The gradient of a depthwise convolution: maskwright's DepthwiseConv against nn.Conv2d(groups=channels).

    python benchmarks/depthwise.py
    python benchmarks/depthwise.py --batch 2 --threads 2

Each depthwise layer of MobileNetV3-Large on a network input of 384x256, forward and backward, channels last. CPU
milliseconds,
medians of rounds by turns. `times` says how often the network has this layer; the last line is all of them together.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import torch
from torch import Tensor, nn

from maskwright.models.backbones.mobilenet import MobileNetV3Large
from maskwright.models.conv import DepthwiseConv

Shape = tuple[int, int, int, int, int]  # channels, height, width of the input, kernel, stride


def shapes(height: int, width: int) -> dict[Shape, int]:
    """The depthwise layers of the network, each with how often it occurs."""
    seen: dict[Shape, int] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], _: object) -> None:
        assert isinstance(layer, DepthwiseConv)
        _, channels, high, wide = inputs[0].shape
        shape = (channels, high, wide, layer.kernel_size[0], layer.stride[0])
        seen[shape] = seen.get(shape, 0) + 1

    network = MobileNetV3Large().eval()
    for layer in network.modules():
        if isinstance(layer, DepthwiseConv):
            layer.register_forward_hook(note)
    with torch.no_grad():
        network(torch.zeros(1, 3, height, width))
    return seen


def milliseconds(layer: nn.Module, x: Tensor, grad: Tensor) -> float:
    began = time.process_time()
    layer(x).backward(grad)
    return (time.process_time() - began) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 384), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"torch {torch.__version__}, {args.threads} thread(s), batch {args.batch}, forward and backward, CPU ms{load}"
    )
    print(f"{'layer':28}{'times':>6}   {'fp32: theirs':>12}{'ours':>8}{'ratio':>7}   {'bf16: theirs':>12}{'ours':>8}{'ratio':>7}")  # fmt: skip  # noqa: E501
    sums = dict.fromkeys([(kind, who) for kind in (torch.float32, torch.bfloat16) for who in (0, 1)], 0.0)
    for (channels, height, width, kernel, stride), times in shapes(*args.size).items():
        line = f"{f'{channels} x {height}x{width}, {kernel}x{kernel} / {stride}':28}{times:>6}   "
        for kind in (torch.float32, torch.bfloat16):
            theirs = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
            pair = [
                layer.to(dtype=kind, memory_format=torch.channels_last)  # type: ignore[call-overload]
                for layer in (theirs, DepthwiseConv(channels, kernel, stride))
            ]
            x = torch.randn(args.batch, channels, height, width, dtype=kind)
            x = x.to(memory_format=torch.channels_last).requires_grad_()
            grad = torch.randn_like(pair[0](x))
            took: list[list[float]] = [[], []]
            for turn in range(args.rounds + 1):
                for who, layer in enumerate(pair):
                    spent = milliseconds(layer, x, grad)
                    if turn:  # the first round warms up
                        took[who].append(spent)
            a, b = (statistics.median(item) for item in took)
            for who, value in enumerate((a, b)):
                sums[kind, who] += times * value
            line += f"{a:>12.1f}{b:>8.1f}{a / b:>7.1f}   "
        print(line.rstrip())
    whole = f"{'all depthwise layers':34}   "
    for kind in (torch.float32, torch.bfloat16):
        a, b = sums[kind, 0], sums[kind, 1]
        whole += f"{a:>12.1f}{b:>8.1f}{a / b:>7.1f}   "
    print(whole.rstrip())


if __name__ == "__main__":
    main()
