"""Published datasets: where they are, under which terms, and how to get one.

    balloon     Mask R-CNN's balloons, VIA outlines             fetched
    pennfudan   pedestrians, id masks                           fetched
    castings    GDXray, X-rays of castings, boxes               fetched; research and education only
    welds       GDXray, X-rays of welds, masks                  fetched; research and education only

Nothing of these is part of this package, and nothing is fetched unless somebody asks for it by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maskwright import fetch
from maskwright.errors import FetchError, UnknownName
from maskwright.formats.archives import unpack
from maskwright.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class PublishedDataset:
    """One dataset that can be downloaded.

    about    half a sentence
    address  of the archive
    page     where people read about it, and get it by hand should the address have moved
    license  what its authors allow
    format   what it reads as
    sha256   of the archive, None where nobody has noted it
    """

    about: str
    address: str
    page: str
    license: str
    format: str
    sha256: str | None = None


_GDXRAY = "https://domingomery.ing.puc.cl/material/gdxray/"
_GDXRAY_TERMS = "research and education only; no redistribution, no commercial use; cite Mery et al. 2015"

PUBLISHED = {
    "balloon": PublishedDataset(
        "61 + 13 images of balloons, outlines",
        "https://github.com/matterport/Mask_RCNN/releases/download/v2.1/balloon_dataset.zip",
        "https://github.com/matterport/Mask_RCNN/tree/master/samples/balloon",
        "images from Flickr under licenses that allow commercial use; the annotations are part of an MIT repository",
        "via",
    ),
    "castings": PublishedDataset(
        "GDXray: X-rays of castings, boxes around defects",
        "http://dmery.sitios.ing.uc.cl/images/GDXray/Castings.zip",
        _GDXRAY,
        _GDXRAY_TERMS,
        "gdxray",
    ),
    "pennfudan": PublishedDataset(
        "170 images of pedestrians, 423 masks",
        "https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip",
        "https://www.cis.upenn.edu/~jshi/ped_html/",
        "copyright of its authors; may not be posted again without their permission",
        "mask_images",
    ),
    "welds": PublishedDataset(
        "GDXray: X-rays of welds, masks of defects",
        "http://dmery.sitios.ing.uc.cl/images/GDXray/Welds.zip",
        _GDXRAY,
        _GDXRAY_TERMS,
        "gdxray",
    ),
}


def obtain(name: str, folder: Path | str, progress: Progress = silent) -> Path:
    """Fetch the dataset `name` and unpack it as `folder/name`; the folder itself when it is there already.

    The archive is kept beside it (`folder/name.zip`) and not fetched again.

    >>> maskwright.read(obtain("balloon", "data"))
    """
    if name not in PUBLISHED:
        raise UnknownName("published dataset", name, PUBLISHED)
    chosen = PUBLISHED[name]
    target = Path(folder) / name
    if target.is_dir():
        return target
    archive = Path(folder) / f"{name}.zip"
    by_hand = f"download it by hand from {chosen.page} and save it as {archive}"
    try:
        fetch.fetch(chosen.address, archive, chosen.sha256, progress, offline=by_hand)
    except FetchError as error:
        parts = {part: text for part, text in error.parts.items() if part != "fix"}
        raise FetchError(error.headline, **parts, fix=by_hand) from error
    unpack(archive, target, progress)
    return target
