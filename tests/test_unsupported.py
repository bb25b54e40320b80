"""Formats of other tools are called by name, with how to export; archives and Git LFS pointers; sound data are read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from maskwright import formats
from maskwright.errors import InputError
from maskwright.formats import unsupported

LABELME = {"version": "5", "flags": {}, "shapes": [], "imagePath": "a.jpg", "imageData": None}
PICTURES = "LabelMe's pictures (labelme_json_to_dataset)"  # folders, no files
BOX = {"x": 1, "y": 2, "width": 3, "height": 4}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
KITTI = "Car 0.00 0 -0.20 712.40 143.00 810.73 307.92 1.89 0.48 1.20 1.84 1.47 8.41 0.01"
FILES = {
    "part of a Supervisely project": ("ann/a.jpg.json", {"size": {}, "objects": [{"classTitle": "rust"}]}),
    "a table of boxes without column names (keras-retinanet)": ("a.csv", "a.jpg,1,2,3,4.5,rust\nb.jpg,,,,,\n"),
    "a VoTT project, or VoTT 1": ("party.vott", {"name": "party", "securityToken": "x", "assets": {}}),
    "COCO panoptic without its pictures": ("a.json", {"annotations": [{"segments_info": [], "file_name": "a.png"}]}),
    "part of Cityscapes": ("a.json", {"imgHeight": 4, "imgWidth": 6, "objects": [{"label": "road"}]}),
    "BDD100K JSON": ("a.json", [{"name": "a.jpg", "labels": [{"category": "car", "box2d": {}}]}]),
    "Labelbox": ("a.ndjson", '{"data_row": {"id": "a"}, "projects": {}}\n'),
    "V7 Darwin JSON": ("a.json", {"version": "2.0", "schema_ref": "https://darwin", "item": {}, "annotations": []}),
    "SuperAnnotate JSON": ("a.json", {"metadata": {"name": "a.jpg"}, "instances": [{"className": "rust"}]}),
    "a SageMaker manifest": ("a.manifest", '{"source-ref": "s3://bucket/a.jpg", "boxes": {}}\n'),
    "dlib's imglab XML": ("a.xml", "<dataset><images><image file='a.jpg'><box top='1'/></image></images></dataset>"),
    "KITTI": ("labels/a.txt", f"{KITTI}\n{KITTI} 0.9\n"),
    "a file or folder of NumPy or MATLAB arrays": ("masks/a.npy", "\x93NUMPY"),
    "MOTChallenge": ("gt/gt.txt", "1,1,912,484,97,109,0,7,1\n2,1,912,484,97,109,0,7,1\n"),
}  # fmt: skip


def save(file: Path, content: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def image(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4)).save(file)
    return file


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        formats.read(path)
    return caught.value


def test_an_empty_folder_and_ordinary_texts_are_of_no_format(tmp_path):
    assert unsupported.error(tmp_path) is None
    image(tmp_path / "a.png"), save(tmp_path / "notes.txt", "12 images of 3 bridges\n"), save(tmp_path / "b.json", {})
    save(tmp_path / "c.txt", ""), save(tmp_path / "d.yaml", "names: 3"), save(tmp_path / "e.xml", "<annotation/>")
    assert unsupported.error(tmp_path) is None


@pytest.mark.parametrize("name", FILES)
def test_a_file_and_its_folder_are_called_by_the_name_of_their_format(tmp_path, name):
    assert FILES.keys() == unsupported.UNSUPPORTED.keys() - {PICTURES}
    inside, content = FILES[name]
    file = save(tmp_path / "data" / inside, content)
    image(tmp_path / "data/images/a.jpg")
    known = [] if "panoptic" in name else [file]  # COCO's reader knows that file, and says what it is
    for path in (*known, tmp_path / "data", tmp_path):
        error = refused(path)
        assert error.headline == f"this is {name}, {unsupported.UNSUPPORTED[name].state}"
        assert error.parts["fix"] == unsupported.UNSUPPORTED[name].fix


@pytest.mark.parametrize("name", unsupported.UNSUPPORTED)
def test_no_advice_names_a_tool_whose_files_we_do_not_read(name):
    fix = unsupported.UNSUPPORTED[name].fix
    assert any(word in fix for word in ("COCO", "VOC", "CSV", "pictures", "coco", "folder", "JSON"))


@pytest.mark.parametrize("where", ["", "images", "images/train"])
def test_images_beside_yolo_labels_are_no_class_folders(tmp_path, where):
    for number in range(3):
        for kind in ("cat", "dog"):
            image(tmp_path / f"images/train/{kind}_{number}.jpg")
            save(tmp_path / f"labels/train/{kind}_{number}.txt", "0 0.5 0.5 0.2 0.2\n")
    if where:
        assert refused(tmp_path / where).headline == "the label files of these images lie in another folder"
    else:
        assert (formats.read(tmp_path).format, formats.read(tmp_path).instance_count) == ("yolo", 6)


def test_what_labelme_json_to_dataset_makes_is_labelme_and_no_class_folders(tmp_path):
    for stem in ("p0", "p1"):
        for name in ("img", "label"):
            image(tmp_path / f"labelme_json/{stem}_json/{name}.png")
    for path in (tmp_path, tmp_path / "labelme_json", tmp_path / "labelme_json/p0_json"):
        assert refused(path).headline == f"this is {PICTURES}, not read yet"


def test_sound_data_beside_files_of_other_tools_are_read(tmp_path):
    image(tmp_path / "a.jpg")
    save(tmp_path / "a.json", [{"image": "a.jpg", "annotations": [{"label": "rust", "coordinates": BOX}]}])
    coco = {"images": [{"id": 1, "file_name": "a.jpg"}], "categories": [{"id": 1, "name": "rust"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}]}  # fmt: skip
    save(tmp_path / "instances.json", coco)
    assert formats.read(tmp_path).instance_count == 1


def test_an_archive_in_a_folder_is_to_be_named_or_unpacked(tmp_path):
    file = tmp_path / "a" / "party.7z"
    file.parent.mkdir()
    file.write_bytes(b"7z\xbc\xaf\x27\x1c")
    for path in (file, file.parent):
        error = refused(path)
        assert (error.headline, error.parts["fix"]) == ("this is a 7z archive", "unpack it, and name the folder")
    (tmp_path / "b").mkdir()
    with zipfile.ZipFile(tmp_path / "b" / "party.zip", "w") as archive:
        archive.writestr("party/a.txt", "a")
    error = refused(tmp_path / "b")
    assert (error.headline, error.parts["fix"]) == ("this is a zip archive", "name it: it is read as a folder")
    assert error.parts["file"].endswith("party.zip")


NAMES_OF_POINTERS = [
    "ann.json", "ann.xml", "labels.csv", "labels.tsv", "train.record", "labels/a.txt", "images/a.png"
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES_OF_POINTERS)
def test_a_git_lfs_pointer_is_to_be_fetched(tmp_path, name):
    file = save(tmp_path / name, POINTER)
    if file.suffix != ".png":
        image(tmp_path / "b.png")
        assert refused(file).headline == "a Git LFS pointer, not the file itself"
    error = refused(tmp_path)
    assert error.headline == "a Git LFS pointer, not the file itself"
    assert error.parts["fix"] == "fetch the content: git lfs pull"


def test_images_that_are_git_lfs_pointers_are_told_so(tmp_path):
    for name in ("rust/a.png", "norust/b.png"):
        image(tmp_path / name)
    for number in range(3):
        save(tmp_path / f"rust/{number}.png", POINTER)
    error = refused(tmp_path)
    assert error.headline == "a Git LFS pointer, not the file itself" or "LFS" in error.parts["got"]


def test_what_is_read_in_the_zoo_is_taken_for_no_other_tools(shared):
    prefixes = ("class_", "coco_", "createml_", "csv_", "cvat_", "labelme_", "labelstudio_", "mask", "openimages_",
                "tfrecord", "via", "voc", "yolo")  # fmt: skip
    read = [case for case in (shared / "data/zoo").iterdir() if case.name.startswith(prefixes)]
    known = {case.name: str(error) for case in read if (error := unsupported.error(case)) is not None}
    # cvat_video_tracks holds obj.names of another export, too
    assert len(read) > 25 and known.keys() <= {"mask_id_png_panoptic", "mask_semantic_png", "cvat_video_tracks"}, known


@pytest.mark.parametrize("pattern", ["_NAMELESS", "_KITTI", "_MOT"])
def test_a_row_of_digits_without_end_is_no_table_and_is_not_searched_twice(pattern):
    # a pattern that tries every division of the digits would not come back
    from maskwright.formats import unsupported

    for before in ("a.jpg,", "a ", "0 ", "1,2,", "1 " * 8):
        assert getattr(unsupported, pattern).fullmatch(before + "4" * 300_000 + "x") is None
