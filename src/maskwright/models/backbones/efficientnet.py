"""EfficientNet-Lite0 (Google, 2020): EfficientNet-B0 (Tan and Le 2019) without squeeze-and-excitation, with ReLU6.

Its blocks are MobileNetV2's, some with 5x5 kernels. TensorFlow's "same" padding is kept, for the published weights were
trained with it: with a stride of 2 an even side is padded by one pixel less, on the left and above.
"""

from __future__ import annotations

from torch import Tensor, nn

from maskwright.models.backbones.mobilenet import InvertedResidualV2, MobileNet, initialized, norm_v3
from maskwright.models.conv import DepthwiseConv, Norm, same_padding


class _HalvingConv(nn.Conv2d):
    """A dense convolution of stride 2 with TensorFlow's padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, 2, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(same_padding(input, self.kernel_size[0], 2))


class _HalvingDepthwise(DepthwiseConv):
    """A depthwise convolution of stride 2 with TensorFlow's padding."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, kernel, 2, padding=0)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(same_padding(input, self.kernel_size[0], 2))


class EfficientNetLite0(MobileNet):
    """3.4 million parameters without the classifier: feature maps of 24, 40, 112, 320 channels at strides 4 to 32."""

    taps, channels = (3, 5, 11, 16), (24, 40, 112, 320)

    def __init__(self, norm: Norm = norm_v3) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Sequential(_HalvingConv(3, 32, 3), norm(32), nn.ReLU6(inplace=True))]
        inputs = 32
        for expand, outputs, count, kernel, stride in (  # table 1 of the EfficientNet paper
            (1, 16, 1, 3, 1),
            (6, 24, 2, 3, 2),
            (6, 40, 2, 5, 2),
            (6, 80, 3, 3, 2),
            (6, 112, 3, 5, 1),
            (6, 192, 4, 5, 2),
            (6, 320, 1, 3, 1),
        ):
            for index in range(count):
                halves = stride == 2 and index == 0
                depthwise = _HalvingDepthwise(inputs * expand, kernel) if halves else None
                blocks.append(InvertedResidualV2(inputs, outputs, 2 if halves else 1, expand, norm, kernel, depthwise))
                inputs = outputs
        self.features = nn.Sequential(*blocks)


# --- by name ----------------------------------------------------------------------------------------
def efficientnet(name: str) -> nn.Module:
    assert name == "efficientnet_lite0"
    return initialized(EfficientNetLite0())
