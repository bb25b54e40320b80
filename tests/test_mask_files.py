"""What kinds of pictures masks may be; nothing of them is lost in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from attacks.images import tiff_by_hand
from PIL import Image
from test_mask_images import blocks, save

from maskwright import formats
from maskwright.errors import AnnotationError


@pytest.mark.parametrize("name", ["masks/{}.gif", "masks/{}_mask.gif", "{}_mask.gif"])
def test_masks_may_be_gifs(tmp_path, name):
    """Whose writers put black at any place of the palette."""
    for image in "abc":
        save(tmp_path / f"{image}.png")
        picture = Image.fromarray(1 - blocks((4, 4, 1)), "P")
        picture.putpalette([255, 255, 255, 0, 0, 0])
        file = tmp_path / name.format(image)
        file.parent.mkdir(exist_ok=True)
        picture.save(file, optimize=False)
    found = formats.read(tmp_path)
    assert [record.instances.boxes.tolist() for record in found] == [[[4, 4, 7, 7]]] * 3


def test_values_in_gifs_are_objects_by_their_gray(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png")
    for image in "ab":
        Path(tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(blocks((4, 4, 1), (9, 9, 2))).save(tmp_path / f"masks/{image}.gif")
    assert [len(record.instances) for record in formats.read(tmp_path)] == [2, 2]


@pytest.mark.parametrize(
    ("ending", "got"),
    [("gif", "several frames"), ("tif", "several frames"), ("tiff", "16 bits"), ("ppm", "other kind")],
)
def test_masks_of_which_a_part_would_be_lost_are_faults(tmp_path, ending, got):
    """The pages behind the first; the lower half of 16 bits, in which ids are; a picture of a kind that is not read."""
    for image in "ab":
        save(tmp_path / f"images/{image}.png")
        (tmp_path / "masks").mkdir(exist_ok=True)
        file = tmp_path / f"masks/{image}.{ending}"
        if ending == "tiff":
            file.write_bytes(tiff_by_hand(np.repeat(blocks((4, 4, 1))[..., None].astype(np.uint16), 3, axis=2)))
        else:
            pages = [Image.fromarray(blocks((4, column, 255))) for column in (4, 12)]
            pages[0].convert("RGB" if ending == "ppm" else "L").save(
                file, **{"save_all": True, "append_images": pages[1:]} if ending != "ppm" else {}
            )
    with pytest.raises(AnnotationError, match="2 of 2 regions are faulty") as caught:
        formats.read(tmp_path)
    assert got in caught.value.parts["got"] and f"a.{ending}" in caught.value.parts["record"]


def test_the_frame_of_a_gif_is_no_larger_than_it_says(tmp_path):
    """Pillow would make it as large as the frame: 20,000 x 8,000 from 100 bytes."""
    save(tmp_path / "images/a.png"), (tmp_path / "masks").mkdir()
    Image.fromarray(blocks((4, 4, 1))).save(tmp_path / "masks/a.gif")
    data = bytearray((tmp_path / "masks/a.gif").read_bytes())
    frame = data.index(b"\x2c", 13)
    data[frame + 5 : frame + 9] = (20_000).to_bytes(2, "little") + (8_000).to_bytes(2, "little")
    (tmp_path / "masks/a.gif").write_bytes(bytes(data))
    with pytest.raises(AnnotationError, match="1 of 1 regions are faulty") as caught:
        formats.read(tmp_path)
    assert caught.value.parts["got"] == "a GIF whose frame is larger than it says"
