"""The kinds of input: how a small valid one is made, how it is read, and how its inside is broken where bytes alone
would only break a checksum or a header."""

from __future__ import annotations

import base64
import io
import json
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from attacks import annotations, tables
from attacks.annotations import SQUARE, written
from PIL import Image

from fuzz import mutations
from maskwright import formats, tfrecord_io
from maskwright.errors import MaskwrightError

SIZE = (30, 40)
TARGETS = {"coco": "coco.json", "via": "via.json", "boxes_csv": "boxes.csv", "yolo": "yolo", "labelme": "labelme"}


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    build      writes the valid one into a folder
    read       what is tried; gets the file, or the folder
    file       which file is read; "" for the folder itself
    endings    of the files that are broken most often; () for all alike
    structure  breaks the inside of it, beside what is done to bytes, words and JSON
    every      only each so-manieth seed is tried, where each costs much
    """

    name: str
    build: Callable[[Path], object]
    read: Callable[[Path], object]
    file: str = ""
    endings: tuple[str, ...] = ()
    structure: Callable[[Path, Random], None] | None = None
    every: int = 1

    @property
    def folder(self) -> bool:
        return not self.file


# --- annotations ----------------------------------------------------------------------------------
def labels(path: Path) -> None:
    """Read a dataset with all its records, and write it again in two other formats."""
    dataset = formats.read(path, allow_faulty=True)
    for record in dataset:
        if record.instances is not None:
            _ = record.instances.boxes.sum(), record.instances.labels
            if record.instances.masks is not None:
                _ = record.instances.masks.area, record.instances.masks.boxes
    repr(dataset), dataset.splits(), dataset.instance_count
    with tempfile.TemporaryDirectory(prefix="out-", dir=path.parent) as out:
        for format, name in TARGETS.items():
            if format in formats.FORMATS:
                try:
                    formats.write(dataset, Path(out) / name, format)
                except MaskwrightError:
                    continue


def via(folder: Path) -> None:
    shapes = [
        SQUARE,
        {"name": "rect", "x": 3, "y": 4, "width": 9, "height": 8},
        {"name": "circle", "cx": 15, "cy": 12, "r": 5.5},
        {"name": "ellipse", "cx": 15, "cy": 12, "rx": 5, "ry": 3, "theta": 0.4},
        {"name": "polyline", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]},
        {"name": "point", "cx": 3, "cy": 3},
    ]
    regions = [
        {"shape_attributes": shape, "region_attributes": {"class": ("rust", "dent")[number % 2]}}
        for number, shape in enumerate(shapes)
    ]
    images = {}
    for name in ("a.jpg", "b.png", "c.jpg"):
        size = annotations.image(folder / name, SIZE).stat().st_size
        images[f"{name}{size}"] = {"filename": name, "size": size, "regions": regions, "file_attributes": {}}
    attributes = {"region": {"class": {"type": "dropdown", "options": {"rust": "", "dent": ""}}}, "file": {}}
    written(folder / "via.json", {"_via_settings": {}, "_via_img_metadata": images, "_via_attributes": attributes})


def via_csv(folder: Path) -> None:
    annotations.image(folder / "a.jpg", SIZE)
    shape, kind = json.dumps(SQUARE).replace('"', '""'), '{""class"":""rust""}'
    head = "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    rows = [f'a.jpg,1,"{{}}",2,{number},"{shape}","{kind}"' for number in range(2)]
    (folder / "via.csv").write_text("\n".join([head, *rows]) + "\n", "utf-8")


def via3(folder: Path) -> None:
    annotations.image(folder / "a.jpg", SIZE)
    shapes = ([2, 3, 4, 10, 6.5], [3, 20, 15, 5], [4, 20, 15, 6, 4], [7, 2, 2, 12, 2, 12, 12], [1, 3, 3],
              [8, 5, 2, 9, 6, 5, 9, 2, 6], [9, 15, 15, 20, 10, 25, 15], [6, 1, 1, 9, 9])  # fmt: skip
    entries = {f"1_{number}": {"vid": "1", "flg": 0, "z": [], "xy": shape, "av": {"1": "0", "2": "seen"}}
               for number, shape in enumerate(shapes)}  # fmt: skip
    kinds = {"1": {"aname": "class", "type": 4, "options": {"0": "rust"}}, "2": {"aname": "note", "type": 1}}
    file = {"1": {"fid": "1", "fname": "a.jpg", "type": 2, "loc": 1, "src": ""}}
    parts = {"attribute": kinds, "file": file, "view": {"1": {"fid_list": ["1"]}}, "metadata": entries}
    written(folder / "via3.json", {"project": {"vid_list": ["1"]}, "config": {}} | parts)


def coco(folder: Path) -> None:
    rle = {"size": list(SIZE), "counts": [40, 200, 960]}
    packed = {"size": list(SIZE), "counts": "X1T60O`l1"}
    annotations.coco(
        folder,
        {"bbox": [2, 2, 10, 10], "segmentation": [[2, 2, 12, 2, 12, 12]], "area": 50, "iscrowd": 0},
        {"bbox": [2, 2, 10, 10], "segmentation": rle, "area": 100, "iscrowd": 1},
        {"bbox": [2, 2, 10, 10], "segmentation": packed, "area": 100, "iscrowd": 0},
        {"bbox": [5, 5, 3, 3], "iscrowd": 0, "keypoints": [1, 2, 2]},
    )


def voc(folder: Path) -> None:
    one = "<object><name>rust</name><difficult>0</difficult><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>20</xmax>"
    one += "<ymax>25</ymax></bndbox></object>"
    for name in ("a", "b"):
        annotations.image(folder / "JPEGImages" / f"{name}.jpg", SIZE)
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><folder>JPEGImages</folder><filename>{name}.jpg</filename><size><width>40</width>"
            f"<height>30</height><depth>3</depth></size>\n{one}\n{one}\n</annotation>\n", "utf-8",
        )  # fmt: skip
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "train.txt").write_text("a\n", "utf-8")
    (folder / "ImageSets" / "Main" / "val.txt").write_text("b\n", "utf-8")


def cvat(folder: Path) -> None:
    shapes = (
        '<box label="rust" occluded="1" xtl="3.5" ytl="4" xbr="20" ybr="25" rotation="30.5" group_id="1"></box>\n'
        '<polygon label="dent" points="2.0,2.0;12,2;12,12"><attribute name="age">old</attribute></polygon>\n'
        '<polyline label="rust" points="2,2;12,2;12,12;2,2"/>\n<points label="rust" points="3,3"/>\n'
        '<ellipse label="rust" cx="15" cy="12" rx="5.5" ry="3" rotation="20"/>\n<tag label="dent"/>\n'
        '<mask label="rust" rle="2, 3, 1, 6" left="3" top="4" width="4" height="3" z_order="0"/>\n'
    )
    listed = ""
    for number, name in enumerate(("a.jpg", "b.png")):
        annotations.image(folder / name, SIZE)
        listed += f'<image id="{number}" name="{name}" subset="Train" width="40" height="30">\n{shapes}</image>\n'
    labels = "<labels><label><name>rust</name></label></labels>"
    page = f"<annotations>\n<version>1.1</version>\n<meta><task>{labels}</task></meta>\n{listed}</annotations>\n"
    (folder / "annotations.xml").write_text(page, "utf-8")


def cvat_video(folder: Path) -> None:
    for number in range(0, 12, 2):
        annotations.image(folder / "images" / f"frame_{number:06d}.png", SIZE)
    box = '<box frame="{}" outside="{}" keyframe="1" xtl="{}" ytl="4" xbr="20" ybr="25" rotation="{}"/>\n'
    line = '<polygon frame="{}" outside="{}" points="2,2;{},2;12,12"/>\n'
    tracks = ""
    for number, drawn in enumerate((box, line)):
        shapes = "".join(drawn.format(frame, out, 3 + frame, 350) for frame, out in ((0, 0), (4, 0), (6, 1), (8, 0)))
        tracks += f'<track id="{number}" label="car">\n{shapes}</track>\n'
    task = "<start_frame>0</start_frame><stop_frame>10</stop_frame><frame_filter>step=2</frame_filter><size>6</size>"
    page = f"<meta><task><mode>interpolation</mode>{task}</task></meta>\n{tracks}"
    (folder / "annotations.xml").write_text(f"<annotations>\n{page}</annotations>\n", "utf-8")


def label_studio(folder: Path) -> None:
    values = [
        ("rectanglelabels", {"x": 5.5, "y": 10, "width": 40, "height": 30, "rotation": 0}),
        ("rectanglelabels", {"x": 50, "y": 40, "width": 20, "height": 10, "rotation": 30.5}),
        ("ellipselabels", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "rotation": 0}),
        ("polygonlabels", {"points": [[10, 10], [50, 10.5], [50, 60]], "closed": True}),
        ("brushlabels", {"format": "rle", "rle": [0, 0, 18, 192, 58, 219, 109, 182, 3, 128, 0, 0, 255]}),
        ("keypointlabels", {"x": 3, "y": 3, "width": 1}),
    ]
    size = {"original_width": 40, "original_height": 30, "image_rotation": 0}
    result = [{"id": f"r{number}", "type": kind, "from_name": "label", "to_name": "image", **size,
               "value": value | {kind: ["rust"]}} for number, (kind, value) in enumerate(values)]  # fmt: skip
    choice = {"id": "c", "type": "choices", "from_name": "choice", "value": {"choices": ["good"]}}
    records = []
    for number, name in enumerate(("a.jpg", "1a2b3c4d-b.png")):
        annotations.image(folder / name.split("-")[-1], SIZE)
        one = {"id": number, "completed_by": 1, "result": [*result, choice], "was_cancelled": False}
        records.append({"id": number, "data": {"image": f"/data/upload/1/{name}"}, "annotations": [one, one]})
    written(folder / "project.json", records)


def label_studio_min(folder: Path) -> None:
    annotations.image(folder / "a.jpg", SIZE)
    box = {"x": 5, "y": 10, "width": 40, "height": 30, "rotation": 0, "rectanglelabels": ["rust"],
           "original_width": 40, "original_height": 30}  # fmt: skip
    written(
        folder / "least.json", [{"id": 1, "image": "/data/a.jpg", "label": [box], "choice": "good", "annotator": 1}]
    )


def supervisely(folder: Path) -> None:
    bits = "eJzrDPBz5+WS4mJgYOD19HAJAtIcQMzGCCQYrtU9CgNSIp4ujiEVc5ITEjYkJyWAYAIDA1Mcg+tFiykxIHWern4u65wSmgBZJRIv"
    polygon = {"exterior": [[2, 2], [20, 2], [20, 20]], "interior": [[[12, 5], [17, 5], [17, 9]]]}
    drawn = [
        {"classTitle": "rust", "geometryType": "polygon", "points": polygon, "tags": [{"name": "wet", "value": "no"}]},
        {"classTitle": "dent", "geometryType": "rectangle", "points": {"exterior": [[2, 2], [9, 9]], "interior": []}},
        {"classTitle": "rust", "geometryType": "bitmap", "bitmap": {"data": bits, "origin": [3, 4]}},
        {"classTitle": "rust", "geometryType": "point", "points": {"exterior": [[2, 2]], "interior": []}},
    ]
    classes = [{"title": name, "shape": "polygon", "color": "#00FF12"} for name in ("rust", "dent")]
    written(folder / "meta.json", {"classes": classes, "tags": []})
    for part in ("one", "two"):
        annotations.image(folder / part / "img" / "a.png", SIZE)
        page = {"size": {"height": 30, "width": 40}, "tags": [], "objects": drawn}
        written(folder / part / "ann" / "a.png.json", page)


def create_ml(folder: Path) -> None:
    boxes = [{"label": name, "coordinates": {"x": 9.5, "y": 9, "width": 8, "height": 6}} for name in ("rust", "dent")]
    for name in ("a.jpg", "b.png"):
        annotations.image(folder / name, SIZE)
    written(folder / "ml.json", [{"image": name, "annotations": boxes} for name in ("a.jpg", "b.png")])


def datumaro(folder: Path) -> None:
    rle = {"size": list(SIZE), "counts": "X1T60O`l1"}
    shapes = [
        {"type": "polygon", "points": [2, 2, 20, 2, 20, 20.5]},
        {"type": "mask", "rle": rle},
        {"type": "bbox", "bbox": [5, 6, 10, 9.5], "attributes": {"rotation": 30.5, "is_crowd": True}},
        {"type": "ellipse", "points": [5, 6, 15, 20]},
        {"type": "rotated_bbox", "bbox": [15, 12, 10, 6, 20]},
        {"type": "label"},
        {"type": "points", "points": [1, 1], "visibility": [2]},
    ]
    drawn = [{"id": number, "label_id": number % 2, "group": number // 2, "z_order": 0, "attributes": {}} | shape
             for number, shape in enumerate(shapes)]  # fmt: skip
    items = []
    for name in ("a.jpg", "b.png"):
        annotations.image(folder / "images" / "default" / name, SIZE)
        items.append({"id": name[0], "annotations": drawn, "image": {"path": name, "size": list(SIZE)}})
    labels = {"label": {"labels": [{"name": "rust"}, {"name": "dent"}], "label_groups": []}}
    page = {"dm_format_version": "1.0", "infos": {}, "categories": labels, "items": items}
    written(folder / "annotations" / "default.json", page)


def vott(folder: Path) -> None:
    annotations.image(folder / "a.jpg", SIZE)
    box = {"left": 2, "top": 3, "width": 10, "height": 6.5}
    points = [{"x": 2, "y": 3}, {"x": 12, "y": 3}, {"x": 12, "y": 9}]
    regions = [{"type": kind, "tags": ["rust"], "boundingBox": box, "points": points}
               for kind in ("RECTANGLE", "POLYGON", "POINT")]  # fmt: skip
    asset = {"name": "a.jpg", "size": {"width": 40, "height": 30}, "state": 2}
    assets = {"x": {"asset": asset, "regions": regions}}
    written(folder / "export.json", {"name": "party", "tags": [{"name": "rust"}], "assets": assets})


def kitti(folder: Path) -> None:
    line = "{} 0.00 0 -1.57 2 3 12 9 2.85 2.63 12.34 0.47 1.49 69.44 -1.56\n"
    (folder / "label_2").mkdir()
    for name in ("000000", "000001"):
        annotations.image(folder / "image_2" / f"{name}.png", SIZE)
        (folder / "label_2" / f"{name}.txt").write_text(line.format("Car") + line.format("DontCare"), "utf-8")


def kitti_mots(folder: Path) -> None:
    drawn = np.zeros(SIZE, np.uint16)
    drawn[4:12, 5:20], drawn[15:25, 8:30], drawn[26:29, 3:9] = 1001, 2003, 10000
    for frame in range(2):
        annotations.image(folder / "image_02" / "0001" / f"{frame:06}.png", SIZE)
        annotations.image(folder / "image_02" / "0002" / f"{frame:06}.png", SIZE)
        (folder / "instances" / "0001").mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn).save(folder / "instances" / "0001" / f"{frame:06}.png")
    (folder / "instances_txt").mkdir()
    lines = "0 1001 1 30 40 X1T60O`l1\n1 2001 2 30 40 X1T60O`l1\n1 10000 10 30 40 X1T60O`l1\n"
    (folder / "instances_txt" / "0002.txt").write_text(lines, "utf-8")


def cityscapes(folder: Path) -> None:
    labels = ("road", "car", "pole", "persongroup", "bus")
    for number in range(2):
        stem = f"bonn_00000{number}_000019"
        annotations.image(folder / "leftImg8bit" / "train" / "bonn" / f"{stem}_leftImg8bit.png", SIZE)
        objects = [{"label": label, "polygon": [[2 + 4 * at, 2], [20 + 4 * at, 2], [20 + 4 * at, 20.5]]}
                   for at, label in enumerate(labels)]  # fmt: skip
        page = {"imgHeight": 30, "imgWidth": 40, "objects": objects}
        written(folder / "gtFine" / "train" / "bonn" / f"{stem}_gtFine_polygons.json", page)


def open_images(folder: Path) -> None:
    annotations.image(folder / "a.jpg", SIZE)
    head = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf\n"
    rows = "".join(f"a,xclick,/m/{number},1,0.1,0.5,0.{number},0.9,1,0,{number % 2}\n" for number in range(3))
    (folder / "train-annotations-bbox.csv").write_text(head + rows, "utf-8")
    (folder / "class-descriptions.csv").write_text("/m/0,Rust\n/m/1,Dent\n", "utf-8")
    labels = "ImageID,Source,LabelName,Confidence\na,x,/m/0,1\n"
    (folder / "train-annotations-human-imagelabels.csv").write_text(labels, "utf-8")


def masks(folder: Path) -> None:
    for number in range(3):
        annotations.image(folder / "images" / f"{number}.png", SIZE)
        drawn = np.zeros(SIZE, np.uint8)
        drawn[4:12, 5:20], drawn[15:25, 8:30] = 1, 2
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(drawn).save(folder / "masks" / f"{number}.png")


def panoptic(folder: Path) -> None:
    drawn = np.zeros((*SIZE, 3), np.uint8)
    drawn[4:12, 5:20], drawn[15:25, 8:30] = (10, 1, 0), (0, 0, 1)
    (folder / "annotations" / "panoptic").mkdir(parents=True)
    images, listed = [], []
    for number, name in enumerate("ab", 1):
        annotations.image(folder / "images" / f"{name}.jpg", SIZE)
        Image.fromarray(drawn).save(folder / "annotations" / "panoptic" / f"{name}.png")
        images.append({"id": number, "file_name": f"{name}.jpg", "height": 30, "width": 40})
        segments = [{"id": 266, "category_id": 1, "iscrowd": 0}, {"id": 65536, "category_id": 2, "iscrowd": 0}]
        listed.append({"image_id": number, "file_name": f"{name}.png", "segments_info": segments})
    categories = [{"id": 1, "name": "cup", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}]
    data = {"images": images, "annotations": listed, "categories": categories}
    written(folder / "annotations" / "panoptic.json", data)


def nuclei(folder: Path) -> None:
    for name in ("aa", "bb"):
        annotations.image(folder / name / "images" / f"{name}.png", SIZE)
        (folder / name / "masks").mkdir()
        for number in range(2):
            drawn = np.zeros(SIZE, np.uint8)
            drawn[4 + 9 * number : 10 + 9 * number, 5:20] = 255
            Image.fromarray(drawn).save(folder / name / "masks" / f"{number}.png")


def class_folders(folder: Path) -> None:
    for part in ("train", "val"):
        for name in ("rust", "sound"):
            for number in range(2):
                annotations.image(folder / part / name / f"{number}.jpg", SIZE)


def gdxray(folder: Path) -> None:
    series = folder / "Castings" / "C0001"
    for number in (1, 2):
        annotations.image(series / f"C0001_000{number}.png", SIZE)
    rows = ("1 3 20 4 25", "1 5.5 9.5 5.5 9.5", "2 3 20 4 25")
    (series / "ground_truth.txt").write_text("\n".join(rows) + "\n", "utf-8")


def boxes_csv(folder: Path) -> None:
    tables.boxes_csv(folder, "a.jpg,40,30,rust,3,4,20,25", "a.jpg,40,30,dent,5,5,9,9")


def labels_csv(folder: Path) -> None:
    for name in ("a", "b", "c"):
        annotations.image(folder / "images" / f"{name}.jpg", SIZE)
    (folder / "labels.csv").write_text("image,label\na.jpg,rust\nb.jpg,sound\nc.jpg,rust\n", "utf-8")


def tfrecord(folder: Path) -> None:
    tables.tfrecord(folder, tables.example(folder), tables.example(folder, filename=[b"b.png"]))
    tables.label_map(folder, 'item {\n  id: 1\n  name: "rust"\n}\nitem { id: 2 name: "dent" }\n')


def _reframed(folder: Path, random: Random) -> None:
    """The message of a record broken, the checksums of its frame right."""
    path = folder / "train.record"
    bodies = list(tfrecord_io.read_records(path))
    chosen = random.randrange(len(bodies))
    bodies[chosen] = mutations.flipped(bodies[chosen], random)
    path.write_bytes(b"".join(map(tfrecord_io.frame, bodies)))


def labelme(folder: Path) -> None:
    octagon = Image.fromarray(np.full((8, 9), 255, np.uint8))
    stream = io.BytesIO()
    octagon.save(stream, "PNG")
    mask = base64.b64encode(stream.getvalue()).decode()
    shapes = [
        {"label": "rust", "points": [[2, 2], [12, 2], [12, 12.5]], "group_id": None, "shape_type": "polygon"},
        {"label": "rust", "points": [[3, 4], [20, 25]], "group_id": 1, "shape_type": "rectangle", "flags": {"old": 1}},
        {"label": "rust", "points": [[15, 12], [15, 18]], "group_id": 1, "shape_type": "circle"},
        {"label": "dent", "points": [[5, 6], [13, 13]], "shape_type": "mask", "mask": mask, "description": "deep"},
        {"label": "dent", "points": [[5, 6]], "shape_type": "point"},
        {"label": "__ignore__", "points": [[1, 1], [9, 1], [9, 9], [1, 9]], "shape_type": "oriented_rectangle"},
    ]  # fmt: skip
    for name in ("a", "b"):
        image = annotations.image(folder / f"{name}.jpg", SIZE)
        data = base64.b64encode(image.read_bytes()).decode()
        written(folder / f"{name}.json", {"version": "5.5.0", "flags": {"sound": name == "b"}, "shapes": shapes,
                                          "imagePath": f"{name}.jpg", "imageData": data, "imageHeight": 30,
                                          "imageWidth": 40})  # fmt: skip
    (folder / "b.jpg").unlink()


def yolo(folder: Path) -> None:
    for split, name in (("train", "a"), ("train", "b"), ("val", "c")):
        annotations.image(folder / "images" / split / f"{name}.jpg", SIZE)
        (folder / "labels" / split).mkdir(parents=True, exist_ok=True)
        lines = "0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.2 0.1 0.2 0.2\n1 0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2\n"
        (folder / "labels" / split / f"{name}.txt").write_text(lines * (name != "b"), "utf-8")
    (folder / "labels" / "classes.txt").write_text("rust\ndent\n", "utf-8")
    (folder / "val.txt").write_text("images/val/c.jpg\n", "utf-8")
    config = "path: .\ntrain: [images/train]\nval: val.txt\nnc: 2\nnames:\n  0: rust\n  1: 'dent'\n"
    (folder / "data.yaml").write_text(config, "utf-8")


def dota(folder: Path) -> None:
    annotations.image(folder / "images" / "a.png", SIZE)
    (folder / "labelTxt").mkdir()
    lines = "imagesource:GoogleEarth\ngsd:0.1\n3 4 20 4 20 25 3 25 small vehicle 0\n1 1 9 1 9 9 1 9 ship 1\n"
    (folder / "labelTxt" / "a.txt").write_text(lines, "utf-8")


def read_label_map(path: Path) -> None:
    from maskwright.formats import label_map

    label_map.read(path)


# --- images ---------------------------------------------------------------------------------------
IMAGES = ("rgb.png", "deep.png", "palette.png", "image.jpg", "gray.tif", "image.webp", "image.bmp", "video.gif")


def images(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("rgb.png", "image.jpg", "image.webp", "image.bmp", "video.gif"):
        image.save(folder / name, **({"exif": exif} if name == "image.jpg" else {}))
    image.quantize(16).save(folder / "palette.png", transparency=3)
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 16)
    deep.save(folder / "deep.png")
    deep.save(folder / "gray.tif", compression="tiff_deflate")


def read_images(folder: Path) -> None:
    from maskwright.images import sources

    refused = None
    for source in sources.expand(folder):
        try:
            _ = sources.open_source(source, limit_pixels=4_000_000).pixels
        except MaskwrightError as error:
            refused = error
    if refused is not None:
        raise refused


def _chunks(folder: Path, random: Random) -> None:
    """A PNG whose chunks are broken and their checksums right."""
    path = folder / random.choice(("rgb.png", "deep.png", "palette.png"))
    data, at, made = path.read_bytes(), 8, [b"\x89PNG\r\n\x1a\n"]
    while at < len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        if random.random() < 0.4:
            body = mutations.flipped(body, random) if kind != b"IDAT" or random.random() < 0.5 else (
                zlib.compress(mutations.flipped(zlib.decompress(body), random)))  # fmt: skip
        piece = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        made += [piece] * random.choice((0, 1, 1, 1, 1, 1, 2))
        at += 12 + length
    path.write_bytes(b"".join(made))


# --- recipes, models, runs ------------------------------------------------------------------------
def recipe(folder: Path) -> None:
    from maskwright.training.recipe import Recipe
    from maskwright.training.recipe_io import write_recipe

    write_recipe(Recipe(), folder / "recipe.toml")


def read_recipe(path: Path) -> None:
    from maskwright.training import recipe_io as recipes

    recipes.plain(recipes.read_recipe(path))


def card(folder: Path) -> None:
    from maskwright.weights.card import Card, write_card

    write_card(Card("small", "none", "segment", ("rust", "dent"), 128), folder)


def read_card(path: Path) -> None:
    from maskwright.weights import card as cards

    repr(cards.read_card(path.parent))


def _state() -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    return {"a.weight": torch.randn(3, 4), "a.bias": torch.randn(3), "steps": torch.tensor(7)}


def safetensors(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(_state(), folder / "weights.safetensors", {"format": "pt"})


def pth(folder: Path) -> None:
    import torch

    torch.save({"model": _state(), "epoch": 3}, folder / "weights.pth")


def read_weights(path: Path) -> None:
    from maskwright.weights import checkpoint

    for tensor in checkpoint.load(path).values():
        _ = tensor.shape


def _header(folder: Path, random: Random) -> None:
    """A safetensors header broken, and its length told right."""
    path = random.choice(sorted(folder.rglob("*.safetensors")))
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = mutations.restructured(data[8 : 8 + length], random)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])


def _other_state(folder: Path, random: Random) -> None:
    """What torch.save keeps, with values that are no weights."""
    import torch

    values: list[Any] = [
        None, 1, "a", b"a", [], {}, torch.full((3, 4), float("nan")), torch.zeros(0), torch.zeros(2**20)[:1],
        torch.zeros(3, 4).to_sparse(), torch.zeros(3, dtype=torch.complex64), torch.zeros(3, 4, dtype=torch.bfloat16),
        torch.zeros(1).expand(2**40), torch.empty(3, 4, device="meta"), np.zeros(3), torch.zeros(3, 4).bool(),
    ]  # fmt: skip
    state: Any = {"model": _state(), "epoch": 3}
    state["model"][random.choice([*state["model"], "", "a", "é", 7])] = random.choice(values)
    state = random.choice([state, state, state["model"], [state], {"state_dict": state}, random.choice(values)])
    torch.save(state, folder / "weights.pth", _use_new_zipfile_serialization=random.random() < 0.7)


def h5(folder: Path) -> None:
    import h5py

    random = np.random.default_rng(0)
    with h5py.File(folder / "weights.h5", "w") as file:
        layers = {
            "conv1": ("kernel:0", "bias:0"),
            "bn_conv1": ("gamma:0", "beta:0", "mean:0", "variance:0"),
            "relu": (),
        }
        file.attrs["layer_names"] = [name.encode() for name in layers]
        file.attrs["keras_version"] = b"2.2.4"
        for name, weights in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([f"{name}/{weight}".encode() for weight in weights], "S40")
            for weight in weights:
                group.create_dataset(f"{name}/{weight}", data=random.random((3, 4), np.float32))


def read_h5(path: Path) -> None:
    from maskwright.weights.matterport_h5 import read_h5 as read

    read(path).describe()


def _members(folder: Path, random: Random) -> None:
    """A sound HDF5 file whose attributes and data are of other kinds, sizes and places."""
    import h5py

    with h5py.File(folder / "weights.h5", "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = random.choice(names)
        attribute = random.choice(("layer_names", "weight_names", "keras_version", "backend"))
        holder = file if attribute in file.attrs else file[random.choice(("conv1", "bn_conv1"))]
        values = [b"a", 7, np.float32("nan"), ["a", "b"], np.zeros((2, 2)), [b"\xff"], h5py.Empty("f"), b"../conv1"]
        how = random.randrange(6)
        if how == 0:
            holder.attrs[attribute] = random.choice(values)
        elif how == 1:
            holder.attrs.pop(attribute, None)
        elif how == 2:
            del file[name]
        elif how == 3:
            del file[name]
            link = random.choice((h5py.SoftLink("/"), h5py.SoftLink(f"/{name}"), h5py.ExternalLink("/etc/hosts", "/a")))
            file[name] = link
        elif how == 4:
            del file[name]
            data = random.choice(
                (b"text", np.zeros(3, "S5"), np.zeros(0), 5, np.full((3, 4), np.inf), np.zeros(2, "i4,f8"))
            )
            file.create_dataset(name, data=data)
        else:
            del file[name]
            file.create_dataset(name, (2**20, 2**10), "f4", chunks=True, compression="gzip")


def run(folder: Path) -> None:
    from tiny_runs import party, trainer

    party(folder / "party", 4)
    trainer(folder / "party", folder / "run").run()


def resume(folder: Path) -> None:
    """A resumed run, and the files of its report."""
    from tiny_runs import trainer

    from maskwright.training.run_folder import RunFolder

    opened = RunFolder.existing(folder / "run")
    opened.history()
    trainer(folder / "party", folder / "run").resume()


def model(folder: Path) -> None:
    from tiny_runs import model_folder

    model_folder(folder, ("rust", "dent"))


def load_model(folder: Path) -> None:
    from maskwright.prediction.loading import load
    from maskwright.prediction.options import InferenceOptions

    load(folder, InferenceOptions(device="cpu", precision="fp32"))


# --- videos, archives -----------------------------------------------------------------------------
def video(folder: Path) -> None:
    import av

    with av.open(str(folder / "video.mp4"), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for number in range(8):
            pixels = np.full((32, 48, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def read_video(path: Path) -> None:
    from maskwright.video.read import Video

    with Video(path) as video:
        for number, frame in enumerate(video):
            _ = frame.seconds, frame.pixels.shape
            video.take_sound()
            if number > 50:
                break


def archive(folder: Path) -> None:
    with zipfile.ZipFile(folder / "set.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("set/train/a.txt", "rust" * 50)
        made.writestr("set/val/b.txt", "rust" * 50)


def tar(folder: Path) -> None:
    with tarfile.open(folder / "set.tar", "w") as made:
        for name in ("set/train/a.txt", "set/val/b.txt"):
            member = tarfile.TarInfo(name)
            member.size = 200
            made.addfile(member, io.BytesIO(b"rust" * 50))


def unpack(path: Path) -> None:
    from maskwright.formats.archives import unpack as unpacked

    with tempfile.TemporaryDirectory(prefix="out-", dir=path.parent) as out:
        unpacked(path, Path(out) / "set", most_bytes=10_000_000)


def _other_members(folder: Path, random: Random) -> None:
    with zipfile.ZipFile(folder / "set.zip", "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as made:
        for _ in range(random.randrange(4)):
            name = random.choice(mutations.TEXTS).replace("\ud800", "") or "a"
            info = zipfile.ZipInfo(name)
            info.external_attr = random.choice((0, 0o120777 << 16, 0o060666 << 16, 0o040755 << 16))
            made.writestr(info, bytes(random.choice((0, 10, 20_000_000))))


def sheet_of_parts(folder: Path) -> None:
    """What a watch has written, and goes on from."""
    lines = [{"file": f"{number}.png", "bytes": 10, "changed": 5, "files": ["a.jpg"]} for number in range(3)]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def read_lines(path: Path) -> None:
    from maskwright.api.watch import _Lines

    _Lines(path)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("via", via, labels, "via.json", (".json",)),
        Kind("via-csv", via_csv, labels, "via.csv", (".csv",)),
        Kind("via3", via3, labels, "via3.json", (".json",)),
        Kind("coco", coco, labels, "coco.json", (".json",)),
        Kind("voc", voc, labels, "", (".xml", ".txt"), mutations.break_folder),
        Kind("cvat", cvat, labels, "annotations.xml", (".xml",)),
        Kind("cvat-video", cvat_video, labels, "annotations.xml", (".xml",)),
        Kind("label-studio", label_studio, labels, "project.json", (".json",)),
        Kind("label-studio-min", label_studio_min, labels, "least.json", (".json",)),
        Kind("supervisely", supervisely, labels, "", (".json",), mutations.break_folder),
        Kind("create-ml", create_ml, labels, "ml.json", (".json",)),
        Kind("datumaro", datumaro, labels, "annotations/default.json", (".json",)),
        Kind("vott", vott, labels, "export.json", (".json",)),
        Kind("kitti", kitti, labels, "", (".txt",), mutations.break_folder),
        Kind("kitti-mots", kitti_mots, labels, "", (".txt", ".png"), mutations.break_folder),
        Kind("cityscapes", cityscapes, labels, "", (".json",), mutations.break_folder),
        Kind("open-images", open_images, labels, "", (".csv",), mutations.break_folder),
        Kind("masks", masks, labels, "", (".png",), mutations.break_folder),
        Kind("panoptic", panoptic, labels, "annotations/panoptic.json", (".json", ".png")),
        Kind("nuclei", nuclei, labels, "", (".png",), mutations.break_folder),
        Kind("class-folders", class_folders, labels, "", (".jpg",), mutations.break_folder),
        Kind("gdxray", gdxray, labels, "", (".txt",), mutations.break_folder),
        Kind("boxes-csv", boxes_csv, labels, "labels.csv", (".csv",)),
        Kind("labels-csv", labels_csv, labels, "labels.csv", (".csv",)),
        Kind("tfrecord", tfrecord, labels, "train.record", (".record",), _reframed),
        Kind("labelme", labelme, labels, "", (".json",), mutations.break_folder),
        Kind("yolo", yolo, labels, "", (".txt", ".yaml"), mutations.break_folder),
        Kind("dota", dota, labels, "", (".txt",), mutations.break_folder),
        Kind("label-map", tfrecord, read_label_map, "label_map.pbtxt", (".pbtxt",)),
        Kind("images", images, read_images, "", (), _chunks),
        Kind("recipe", recipe, read_recipe, "recipe.toml", (".toml",)),
        Kind("card", card, read_card, "card.json", (".json",)),
        Kind("safetensors", safetensors, read_weights, "weights.safetensors", (".safetensors",), _header),
        Kind("pth", pth, read_weights, "weights.pth", (".pth",), _other_state),
        Kind("h5", h5, read_h5, "weights.h5", (".h5",), _members),
        Kind("run", run, resume, "", (".json", ".toml", ".csv", ".safetensors"), _header, 5),
        Kind("model", model, load_model, "", (".json", ".safetensors"), _header, 10),
        Kind("video", video, read_video, "video.mp4", (".mp4",)),
        Kind("archive", archive, unpack, "set.zip", (".zip",), _other_members),
        Kind("tar", tar, unpack, "set.tar", (".tar",)),
        Kind("watch-lines", sheet_of_parts, read_lines, "predictions.jsonl", (".jsonl",)),
    )
}
