"""The tensors of matterport's Mask R-CNN: backbone, pyramid, RPN and heads, with weights under Keras' names.

The output of any layer can be had by the original's name (`Taps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import RecipeError
from maskwright.models.conv import same_padding
from maskwright.models.matterport import bands, layout, winograd
from maskwright.models.matterport import layers as tf
from maskwright.models.matterport.layout import Mode, Part, Settings

EPSILON, MOMENTUM = 1e-3, 0.99  # of batch normalisation, Keras' defaults


class Weights(nn.Module):
    """The weights of one Keras layer, under Keras' names, in torch's order of axes: those of its kind."""

    kernel: Tensor
    bias: Tensor
    gamma: Tensor
    beta: Tensor
    moving_mean: Tensor
    moving_variance: Tensor

    def __init__(self, part: Part, mode: Mode) -> None:
        super().__init__()
        for name, shape in part.weights():
            value = to_torch(torch.empty(shape))
            planes = len(shape) < 4 or shape[0] == 3
            if mode == "training" or not part.name.endswith("branch2b"):  # in detection as Keras: what bands want
                value = value.contiguous(memory_format=torch.contiguous_format if planes else torch.channels_last)
            if name == "kernel":
                nn.init.xavier_uniform_(value)
            else:
                nn.init.constant_(value, float(name in ("gamma", "moving_variance")))
            if name.startswith("moving"):
                self.register_buffer(name, value)
            else:
                self.register_parameter(name, nn.Parameter(value))

    def named(self) -> dict[str, Tensor]:
        """Weight name -> tensor, in Keras' order."""
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}


def to_torch(value: Tensor) -> Tensor:
    """Axes (row, column, in, out) -> (out, in, row, column), and (in, out) -> (out, in)."""
    return value.permute(3, 2, 0, 1) if value.dim() == 4 else value.t() if value.dim() == 2 else value


def to_keras(value: Tensor) -> Tensor:
    """The way back."""
    return value.permute(2, 3, 1, 0) if value.dim() == 4 else value.t() if value.dim() == 2 else value


def multiply(x: Tensor, kernel: Tensor, bias: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """A convolution; of rows (n×C) a dense layer."""
    return F.linear(x, kernel, bias) if x.dim() == 2 else F.conv2d(x, kernel, bias, stride, padding)


class Rows(NamedTuple):
    """Of `total` boxes an image the heads compute the first `used`; the others are zero rows, equal to the last one."""

    images: int
    used: int
    total: int

    def spread(self, x: Tensor) -> Tensor:
        """(images·used)×... -> images×total×..."""
        row = torch.arange(self.total, device=x.device).clamp(max=self.used - 1)
        return x.view(self.images, self.used, *x.shape[1:])[:, row]


class Taps:
    """The layers whose outputs are wanted (`names`), and those outputs so far (`outputs`, torch's order of axes)."""

    def __init__(self, names: Iterable[str] = (), rows: Rows | None = None) -> None:
        self.names, self.rows = frozenset(names), rows
        self.outputs: dict[str, Tensor] = {}

    def __call__(self, name: str, value: Tensor) -> None:
        if name in self.names:  # a copy: much is computed in place
            self.outputs[name] = value.detach().clone() if self.rows is None else self.rows.spread(value.detach())

    def over(self, rows: Rows) -> Taps:
        """The same taps for layers that work on rows."""
        taps = Taps(self.names, rows)
        taps.outputs = self.outputs
        return taps


NO_TAPS = Taps()


class MatterportNetwork(nn.Module):
    """The computation, tensors in and out; model.py predicts and trains with it."""

    def __init__(self, settings: Settings, mode: Mode, precision: str) -> None:
        super().__init__()
        self.settings, self.precision = settings, precision
        self.mode: Mode = mode
        self.parts = nn.ModuleDict(
            {part.name: Weights(part, mode) for part in layout.parts(settings, mode) if part.kind}
        )
        self._ready: dict[tuple[str, str | None, torch.dtype], tuple[list[tuple[int, int]], Tensor, Tensor]] = {}

    def _part(self, name: str) -> Weights:
        part = self.parts[name]
        assert isinstance(part, Weights)
        return part

    def named_weights(self) -> Iterator[tuple[str, str, Tensor]]:
        """(layer, weight, tensor in torch's order of axes) of every layer that has weights."""
        for name in self.parts:
            for weight, value in self._part(name).named().items():
                yield name, weight, value

    def get_weight(self, name: str) -> np.ndarray:
        """A copy of `conv1/kernel:0` in Keras' order of axes."""
        part, _, weight = name.removesuffix(":0").partition("/")
        return np.array(to_keras(self._part(part).named()[weight].detach()).cpu().numpy(), order="C")

    def set_weight(self, name: str, value: np.ndarray) -> None:
        part, _, weight = name.removesuffix(":0").partition("/")
        with torch.no_grad():
            own = self._part(part).named()[weight]
            own.copy_(to_torch(torch.from_numpy(np.ascontiguousarray(value, np.float32))))

    # --- convolutions -------------------------------------------------------------------------------
    @property
    def frozen(self) -> bool:
        """Whether batch normalisation goes by its moving statistics."""
        if self.settings.train_bn is None:
            return self.mode == "inference" or not torch.is_grad_enabled()
        return not self.settings.train_bn

    def _apart(self, name: str) -> bool:
        """Whether a convolution and its normalisation are computed one after the other.

        The backbone's are, in float32 detection: rounding the product of both adds as much error as all else together,
        and the answers are to be the original's. conv1's always: its inputs reach 150 and mostly cancel.
        """
        exact = not torch.is_grad_enabled() and self.dtype == torch.float32
        return name.startswith(("res", "conv1") if exact else "conv1")

    def _kernel(self, name: str, norm: str | None) -> tuple[Tensor, Tensor]:
        """Kernel and bias, the normalisation multiplied in. Outside training they are cached until a weight changes."""
        training = torch.is_grad_enabled()
        weights = [value for part in (name, norm) if part for value in self._part(part).named().values()]
        stamp = [(value.data_ptr(), value._version) for value in weights]
        ready = self._ready.get((name, norm, self.dtype))
        if not training and ready and ready[0] == stamp:
            return ready[1:]
        kernel, bias = self._part(name).kernel, self._part(name).bias
        if norm is not None:
            scale, shift = self._affine(norm, torch.float32 if training else torch.float64)
            kernel, bias = kernel * scale.view(-1, *[1] * (kernel.dim() - 1)), bias * scale + shift
        if name == "mrcnn_class_conv1":  # covers its whole input: a product with (row, column, channel) in line
            kernel = kernel.permute(0, 2, 3, 1)
        if name.startswith("mrcnn_class_conv"):
            kernel = kernel.flatten(1)
        if not training:
            if self._in_tiles(name):
                kernel = winograd.prepare(kernel)
            elif kernel.dim() == 4 and not self._apart(name):
                kernel = kernel.contiguous(memory_format=torch.channels_last)
            kernel, bias = kernel.to(self.dtype), bias.to(self.dtype)
            self._ready[name, norm, self.dtype] = stamp, kernel, bias
        return kernel, bias

    @property
    def dtype(self) -> torch.dtype:
        """Of the maps in detection; under autocast, its own."""
        kind = next(self.parameters()).device.type
        return torch.bfloat16 if self.precision == "bf16" or torch.is_autocast_enabled(kind) else torch.float32

    def _affine(self, norm: str, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """Scale and shift of a normalisation by its moving statistics."""
        own = self._part(norm)
        scale = own.gamma.to(dtype) * torch.rsqrt(own.moving_variance.to(dtype) + EPSILON)
        return scale, own.beta.to(dtype) - own.moving_mean.to(dtype) * scale

    def _conv(self, x: Tensor, name: str, norm: str | None, taps: Taps, stride: int = 1, padding: int = 0) -> Tensor:
        """A convolution (of rows: a dense layer) and the normalisation after it."""
        apart = norm if not self.frozen or name in taps.names or self._apart(name) else None
        kernel, bias = self._kernel(name, None if apart else norm)
        if self._in_bands(name):
            x = bands.convolve(x, kernel, bias, stride=stride)
        elif kernel.dim() == 3:  # as _in_tiles wants it
            x = winograd.convolve(x, kernel, bias)
        else:
            x = multiply(x, kernel, bias, stride, padding)
        if apart:
            taps(name, x)
            x = self._normalize(x, apart) if self.frozen else self._normalize_by_batch(x, apart)
        taps(norm or name, x)
        return x

    def _in_tiles(self, name: str) -> bool:
        """Whether a convolution takes Winograd's way: the 3×3 ones of pyramid and RPN, of exact detection on a CPU."""
        kernel, stride = self._part(name).kernel, self.settings.rpn_anchor_stride
        mine = name.startswith("fpn_p") or (name == "rpn_conv_shared" and stride == 1)
        return mine and not torch.is_grad_enabled() and self.dtype == torch.float32 and kernel.device.type == "cpu"

    def _in_bands(self, name: str) -> bool:
        """Whether a convolution goes by bands: the backbone's of exact detection on a CPU, all but those 3×3 ones of so
        few channels that the usual way, which is faster there, sums up little in one chain."""
        kernel = self._part(name).kernel
        if not (name.startswith("res") and self._apart(name) and kernel.device.type == "cpu"):
            return False
        return kernel.shape[2] == 1 or kernel.shape[1] >= 128

    def _unit(
        self,
        x: Tensor,
        at: str,
        taps: Taps,
        stride: int = 1,
        *,
        relu: bool = True,
        onto: tuple[str, Tensor] | None = None,
    ) -> Tensor:
        """relu(normalized convolution + onto) of the backbone, in one pass unless an output between is wanted.

        at  3b_branch2a;  onto  what the sum is called, and the shortcut (which may be written over)
        """
        name, norm = f"res{at}", f"bn{at}"
        added, shortcut = onto or ("", None)
        own = self._part(name)
        if self.frozen and self._in_bands(name) and not taps.names & {name, norm, added}:
            scale, shift = self._affine(norm, torch.float64)
            shift = shift + own.bias * scale
            return bands.convolve(x, own.kernel, shift.float(), scale.float(), shortcut, stride=stride, relu=relu)
        x = self._conv(x, name, norm, taps, stride, own.kernel.shape[2] // 2)
        if shortcut is not None:
            x.add_(shortcut)
            taps(added, x)
        return F.relu_(x) if relu else x

    def _normalize(self, x: Tensor, norm: str) -> Tensor:
        scale, shift = (item.view(1, -1, *[1] * (x.dim() - 2)).to(x) for item in self._affine(norm))
        if torch.is_grad_enabled():
            return torch.addcmul(shift, x, scale)
        return torch.addcmul(shift, x, scale, out=x)

    def _normalize_by_batch(self, x: Tensor, norm: str) -> Tensor:
        shape = [1, -1, *[1] * (x.dim() - 2)]
        own, axes, count = self._part(norm), [axis for axis in range(x.dim()) if axis != 1], x.numel() / x.shape[1]
        mean, variance = x.mean(axes, dtype=torch.float32), x.float().var(axes, unbiased=False)
        if torch.is_grad_enabled():
            with torch.no_grad():
                own.moving_mean.lerp_(mean, 1 - MOMENTUM)
                own.moving_variance.lerp_(variance * count / (count - (1 + EPSILON)), 1 - MOMENTUM)
        scale = own.gamma * torch.rsqrt(variance + EPSILON)
        return x * scale.view(shape) + (own.beta - mean * scale).view(shape)

    # --- the first stage ----------------------------------------------------------------------------
    def maps(self, images: Tensor, taps: Taps = NO_TAPS) -> list[Tensor]:
        """B×3×H×W -> C2..C5, strides 4..32. The stride is in the first 1×1 of a block, as in Caffe."""
        _check_sides(images)
        taps("input_image", images)
        x = F.relu_(self._conv(images, "conv1", "bn_conv1", taps, 2, 3))
        taps("activation_1", x)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)  # 'same': sides are even, so the bottom and right lack a line
        taps("max_pooling2d_1", x)
        maps, blocks = [], 0
        for stage, count in enumerate(layout.BLOCKS[self.settings.backbone], start=2):
            for block in range(count):
                at, blocks = f"{stage}{chr(ord('a') + block)}", blocks + 1
                stride = 2 if block == 0 and stage > 2 else 1
                inner = self._unit(x, f"{at}_branch2a", taps, stride)
                taps(f"activation_{2 * blocks}", inner)
                inner = self._unit(inner, f"{at}_branch2b", taps)
                taps(f"activation_{2 * blocks + 1}", inner)
                if block == 0:
                    x = self._unit(x, f"{at}_branch1", taps, stride, relu=False)
                x = self._unit(inner, f"{at}_branch2c", taps, onto=(f"add_{blocks}", x))
                taps(f"res{at}_out", x)
            maps.append(x)
        return maps

    def pyramid(self, maps: list[Tensor], taps: Taps = NO_TAPS) -> list[Tensor]:
        """C2..C5 -> P2..P6, strides 4..64. Takes the maps out of their list, so that memory is free early."""
        x = self._conv(maps.pop(), "fpn_c5p5", None, taps)
        merged = [x]
        for level in (4, 3, 2):
            up = F.interpolate(x, scale_factor=2)
            taps(f"fpn_p{level + 1}upsampled", up)
            x = up.add_(self._conv(maps.pop(), f"fpn_c{level}p{level}", None, taps))
            taps(f"fpn_p{level}add", x)
            merged.insert(0, x)
        levels = [self._conv(x, f"fpn_p{level}", None, taps, 1, 1) for level, x in enumerate(merged, start=2)]
        levels.append(levels[-1][:, :, ::2, ::2])
        taps("fpn_p6", levels[-1])
        return levels

    def rpn(self, levels: list[Tensor], taps: Taps = NO_TAPS) -> tuple[Tensor, Tensor, Tensor]:
        """P2..P6 -> logits B×L×2 (background, object), probabilities B×L×2, deltas B×L×4: level, row, column, ratio."""
        logits, deltas, stride = [], [], self.settings.rpn_anchor_stride
        for level in levels:
            level, padding = (level, 1) if stride == 1 else (same_padding(level, 3, stride), 0)
            hidden = F.relu_(self._conv(level, "rpn_conv_shared", None, NO_TAPS, stride, padding))
            for name, outputs, width in (("rpn_class_raw", logits, 2), ("rpn_bbox_pred", deltas, 4)):
                value = self._conv(hidden, name, None, NO_TAPS).permute(0, 2, 3, 1)
                outputs.append(value.reshape(len(value), -1, width).float())
        raw, moves = torch.cat(logits, 1), torch.cat(deltas, 1)
        probs = raw.softmax(2)
        taps("rpn_class_logits", raw)
        taps("rpn_class", probs)
        taps("rpn_bbox", moves)
        return raw, probs, moves

    # --- the second stage ---------------------------------------------------------------------------
    def rows(self, boxes: Tensor) -> Rows:
        """Which of B×N boxes the heads must compute: all where they feed batch statistics."""
        return Rows(len(boxes), tf.rows_in_use(boxes) if self.frozen else boxes.shape[1], boxes.shape[1])

    def classify_boxes(
        self, table: tuple[Tensor, Tensor], rois: Tensor, area: float, taps: Taps = NO_TAPS
    ) -> tuple[Tensor, Tensor, Tensor]:
        """B×N rois -> class logits B×N×C, probabilities B×N×C, deltas B×N×C×4.

        table  ops.feature_table([P2, P3, P4, P5]);  area  of the image in pixels
        """
        rows = self.rows(rois)
        row_taps = taps.over(rows)
        x = tf.pool(*table, rois[:, : rows.used], area, self.settings.pool_size)
        row_taps("roi_align_classifier", x)
        logits, deltas = (rows.spread(value) for value in self.box_head(x.permute(0, 2, 3, 1).flatten(1), row_taps))
        deltas = deltas.unflatten(2, (-1, 4))
        probs = logits.softmax(2)
        taps("mrcnn_class", probs)
        taps("mrcnn_bbox", deltas)
        return logits, probs, deltas

    def box_head(self, x: Tensor, taps: Taps = NO_TAPS) -> tuple[Tensor, Tensor]:
        """Pooled boxes n×(h·w·C), by row, column, channel -> class logits n×C, deltas n×(C·4)."""
        for step in (1, 2):
            x = F.relu_(self._conv(x, f"mrcnn_class_conv{step}", f"mrcnn_class_bn{step}", taps))
        taps("pool_squeeze", x)
        logits = self._conv(x, "mrcnn_class_logits", None, taps).float()
        return logits, self._conv(x, "mrcnn_bbox_fc", None, taps).float()

    def predict_masks(self, table: tuple[Tensor, Tensor], boxes: Tensor, area: float, taps: Taps = NO_TAPS) -> Tensor:
        """B×N boxes -> (B·N)×C×h×w probabilities that a cell belongs to an object of that class."""
        x = tf.pool(*table, boxes, area, self.settings.mask_pool_size)
        taps("roi_align_mask", x)
        x = self._conv(self.mask_features(x, taps), "mrcnn_mask", None, NO_TAPS).float().sigmoid()
        taps("mrcnn_mask", x)
        return x

    def mask_features(self, x: Tensor, taps: Taps = NO_TAPS) -> Tensor:
        """Pooled boxes n×C×h×w -> n×256×2h×2w, what the masks of all classes are made of."""
        for step in (1, 2, 3, 4):
            x = F.relu_(self._conv(x, f"mrcnn_mask_conv{step}", f"mrcnn_mask_bn{step}", taps, 1, 1))
        x = F.relu_(F.conv_transpose2d(x, *self._kernel("mrcnn_mask_deconv", None), stride=2))
        taps("mrcnn_mask_deconv", x)
        return x


def _check_sides(images: Tensor) -> None:
    height, width = images.shape[2:]
    if height % 64 or width % 64:
        raise RecipeError(
            "the molded image cannot be halved six times",
            field="IMAGE_SHAPE",
            expected="multiples of 64",
            got=f"{height} x {width}",
            fix="choose such an IMAGE_MAX_DIM, or IMAGE_RESIZE_MODE = 'pad64'",
        )
