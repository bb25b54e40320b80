"""Dataset: the base class of the datasets of scripts."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from maskwright.errors import ImageError


class Dataset:
    """Images, classes and masks. A subclass adds classes and images, and says what the masks of an image are.

    >>> class Cats(Dataset):
    ...     def load_cats(self, folder):
    ...         self.add_class("cats", 1, "cat")
    ...         self.add_image("cats", image_id="tom.jpg", path=folder + "/tom.jpg")
    ...     def load_mask(self, image_id):              # H×W×n bool, n class ids
    ...         return masks, np.ones(masks.shape[-1], np.int32)
    >>> cats = Cats(); cats.load_cats("images"); cats.prepare()
    """

    def __init__(self, class_map: Any = None) -> None:
        self._image_ids: Any = []
        self.image_info: list[dict[str, Any]] = []
        self.class_info: list[dict[str, Any]] = [{"source": "", "id": 0, "name": "BG"}]
        self.source_class_ids: dict[str, list[int]] = {}

    # --- adding ---
    def add_class(self, source: str, class_id: Any, class_name: str) -> None:
        """A class of a source; a second time it is left as it is. The source's name may not hold a dot."""
        assert "." not in source, "the name of a source may not contain a dot"
        if not any(info["source"] == source and info["id"] == class_id for info in self.class_info):
            self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source: str, image_id: Any, path: Any, **kwargs: Any) -> None:
        """An image; whatever else is given is kept beside it in `image_info`."""
        self.image_info.append({"id": image_id, "source": source, "path": path, **kwargs})

    def prepare(self, class_map: Any = None) -> None:
        """Numbers images and classes; to be called when all are added."""
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        self.class_names = [info["name"].split(",")[0] for info in self.class_info]
        self.num_images = len(self.image_info)
        self._image_ids = np.arange(self.num_images)
        self.class_from_source_map = {
            f"{info['source']}.{info['id']}": number
            for info, number in zip(self.class_info, self.class_ids, strict=True)
        }
        self.image_from_source_map = {
            f"{info['source']}.{info['id']}": number
            for info, number in zip(self.image_info, self.image_ids, strict=True)
        }
        self.sources = list({info["source"] for info in self.class_info})
        self.source_class_ids = {
            source: [i for i, info in enumerate(self.class_info) if i == 0 or info["source"] == source]
            for source in self.sources
        }

    # --- look-up ---
    @property
    def image_ids(self) -> Any:
        """0, 1, 2, ...: what the other methods call image_id."""
        return self._image_ids

    def map_source_class_id(self, source_class_id: str) -> int:
        """Our class id of "source.id"."""
        return int(self.class_from_source_map[source_class_id])

    def get_source_class_id(self, class_id: int, source: str) -> Any:
        """The source's own id of our class."""
        info = self.class_info[class_id]
        assert info["source"] == source
        return info["id"]

    def source_image_link(self, image_id: int) -> Any:
        """The path or URL of the image."""
        return self.image_info[image_id]["path"]

    def image_reference(self, image_id: int) -> Any:
        """A link or name for finding the image; to be overridden."""
        return ""

    # --- pixels ---
    def load_image(self, image_id: int) -> np.ndarray:
        """H×W×3 RGB as stored, without EXIF rotation, so that it fits masks drawn on the stored pixels."""
        image = read_image(self.image_info[image_id]["path"])
        if image.ndim != 3:
            image = np.repeat(image[..., None], 3, axis=-1)
        return image[..., :3]

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """(H×W×n bool, n int32 class ids). To be overridden; the default is no objects."""
        logging.warning("load_mask() of this Dataset was not defined, so it has no objects")
        return np.empty([0, 0, 0]), np.empty([0], np.int32)


def read_image(path: Any) -> np.ndarray:
    """The pixels of a file as scikit-image's imread gives them: H×W, H×W×3 or H×W×4."""
    try:
        with Image.open(path) as image:
            if image.mode in ("P", "PA"):
                image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
            elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
                image = image.convert("RGB")
            elif image.mode in ("1", "LA"):
                image = image.convert("L" if image.mode == "1" else "RGBA")
            return np.asarray(image)
    except FileNotFoundError as error:
        raise ImageError("no image here", file=path) from error
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError, SyntaxError) as error:
        raise ImageError("this image cannot be read", file=path, got=error) from error
