"""Labels of whole images as a CSV table: one column of labels, or one of 0 and 1 for each class."""

from __future__ import annotations

import io
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from attacks.annotations import image
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from reported import sentences

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError
from maskwright.formats import labels_csv
from maskwright.formats.reading import Head
from maskwright.types import Dataset, Instances, Record, RleMasks


def table(folder: Path, *rows: str, header: str = "file,labels", images: str = "abc") -> Path:
    for name in images:
        image(folder / f"{name}.jpg")
    path = folder / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def said(data: Dataset) -> dict[str, tuple[str, ...] | None]:
    return {
        record.image.stem: None if record.labels is None else tuple(data.names[label] for label in record.labels)
        for record in data
    }


# --- nothing there ------------------------------------------------------------------------------
def test_a_header_without_rows_is_refused(tmp_path):
    with pytest.raises(AnnotationError, match="this table has no labels of images"):
        formats.read(table(tmp_path), format="labels_csv")


def test_an_empty_cell_says_nothing_and_none_says_none(tmp_path):
    assert said(formats.read(table(tmp_path, "a.jpg,rust", "b.jpg,", "c.jpg,none"))) == {
        "a": ("rust",), "b": None, "c": (),
    }  # fmt: skip


def test_an_image_in_no_row_is_unlabeled(tmp_path):
    data = formats.read(table(tmp_path, "a.jpg,rust", "b.jpg,dent"))
    assert data.state_counts() == {"labeled": 2, "empty": 0, "unlabeled": 1, "skipped": 0}


# --- what is there ------------------------------------------------------------------------------
@pytest.mark.parametrize("between", [";", "|", " ; "])
def test_several_labels_an_image(tmp_path, between):
    data = formats.read(table(tmp_path, f"a.jpg,rust{between}dent", "b.jpg, rust ", "c.jpg,dent"))
    assert (data.format, data.names) == ("labels_csv", ("dent", "rust"))
    assert said(data) == {"a": ("dent", "rust"), "b": ("rust",), "c": ("dent",)}


def test_a_column_a_class(tmp_path):
    data = formats.read(table(tmp_path, "a.jpg,1,0", "b.jpg,1,1", "c.jpg,0,False", header="filename,rust,dent"))
    assert said(data) == {"a": ("rust",), "b": ("dent", "rust"), "c": ()}


def test_roboflows_table_of_several_classes_has_blanks_around_names_and_numbers(tmp_path):
    table(tmp_path, "a.jpg, 1, 0", "b.jpg, 1, 1", "c.jpg, 0, 0", header="filename, cat, dog").rename(
        tmp_path / "_classes.csv"
    )
    assert said(formats.read(tmp_path)) == {"a": ("cat",), "b": ("cat", "dog"), "c": ()}


def test_a_class_without_any_image_is_still_a_class(tmp_path):
    assert formats.read(table(tmp_path, "a.jpg,1,0", header="image,rust,dent")).names == ("dent", "rust")


def test_several_rows_of_an_image_are_joined(tmp_path):
    data = formats.read(table(tmp_path, "a.jpg,rust", "a.jpg,dent", "b.jpg,dent", "c.jpg,dent"))
    assert said(data)["a"] == ("dent", "rust")
    assert "some images are in several rows: their labels were joined" in sentences(data)


def test_images_in_folders_called_like_other_classes_are_named(tmp_path):
    """Either the table or the folders may be exchanged: the table counts, and that is said."""
    for name in ("cat/a", "cat/b", "dog/c"):
        image(tmp_path / f"{name}.jpg")
    data = formats.read(table(tmp_path, "cat/a.jpg,cat", "cat/b.jpg,dog", "dog/c.jpg,cat;Dog", images=""))
    assert sentences(data) == (
        "1 image lies in a folder called like another class than the table's: cat/b.jpg is dog",
        'classes "Dog" and "dog" differ only by case or blanks: are they one?',
    )


def test_split_and_group_are_read(tmp_path):
    path = table(tmp_path, "a.jpg,rust,train,1", "b.jpg,dent,valid,1", "c.jpg,dent,,", header="file,label,split,group")
    assert [(item.split, item.group) for item in formats.read(path)] == [("train", "1"), ("val", "1"), (None, None)]


def test_a_folder_with_such_a_table_is_read_by_it(tmp_path):
    table(tmp_path, "a.jpg,rust", "b.jpg,dent", "c.jpg,dent")
    assert formats.read(tmp_path).format == "labels_csv"


# --- what is wrong ------------------------------------------------------------------------------
def test_a_cell_that_is_neither_0_nor_1_is_named(tmp_path):
    path = table(tmp_path, "a.jpg,1,0", "b.jpg,maybe,1", "c.jpg,0,1", header="file,rust,dent")
    with pytest.raises(AnnotationError) as caught:
        formats.read(path)
    assert (caught.value.parts["record"], caught.value.parts["field"]) == ('image "b.jpg", row 2', "rust")
    data = formats.read(path, allow_faulty=True)
    assert said(data) == {"a": ("rust",), "c": ("dent",), "b": None}


def test_images_that_are_not_there_are_named(tmp_path):
    data = formats.read(table(tmp_path, "a.jpg,rust", "z.jpg,dent", "c.jpg,dent"))
    assert '1 of 3 named images are absent: "z.jpg"' in sentences(data)
    with pytest.raises(DatasetError, match="none of the images it names is in the folder"):
        formats.read(table(tmp_path / "other", "y.jpg,rust", "z.jpg,dent", images="a"))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.jpg,4,4,rust,0,0,1,1"),
        ("image,label,score_norust,score_rust", "a.jpg,rust,0.1,0.9"),  # what `predict --save-csv` writes
        ("image,ground_truth,predicted,score_rust", "a.jpg,rust,rust,0.9"),
        ("file,size", "a.jpg,1200"),
        ("name,labels", "a.jpg,rust"),
        ("file,labels", '"a.jpg,rust'),
    ],
)
def test_other_tables_are_not_ours(tmp_path, header, row):
    assert labels_csv.sniff(Head(table(tmp_path, row, header=header))) is None


# --- writing ------------------------------------------------------------------------------------
def pixel() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 3)).save(stream, "PNG")
    return stream.getvalue()


PIXEL = pixel()
PLAIN = st.text(st.sampled_from("abX09 ,\"'.:#=éß日👩🏽‍🔧_-+"), min_size=1, max_size=6)
ODD = st.one_of(
    PLAIN, st.text(max_size=5), st.sampled_from(["none", "-", "a;b", "a|b", " a", "a\nb", "a\\b", "\u2028"])
)


@st.composite
def tables(
    draw: st.DrawFn, words: st.SearchStrategy[str]
) -> list[tuple[str, list[str] | None, str | None, str | None]]:
    """Rows of file name, classes (None: nobody has looked), split and group."""
    composed = words.map(lambda word: unicodedata.normalize("NFC", word))
    known = draw(st.lists(composed, unique=True, max_size=4))
    files = draw(
        st.lists(words, min_size=1, max_size=4, unique_by=lambda name: unicodedata.normalize("NFKC", name).casefold())
    )
    said = st.none() | st.lists(st.sampled_from(known), unique=True) if known else st.sampled_from([None, []])
    split = st.sampled_from([None, "train", "val", "test"])
    return [(f"{name}.png", draw(said), draw(split), draw(st.none() | words)) for name in files]


def dataset(folder: Path, rows: list[tuple[str, list[str] | None, str | None, str | None]]) -> Dataset:
    names = tuple(dict.fromkeys(name for _, said, _, _ in rows for name in said or ()))
    records = []
    for file, said, split, group in rows:
        try:
            (folder / file).write_bytes(PIXEL)
        except (OSError, ValueError):
            assume(False)  # no name for a file here
        labels = None if said is None else tuple(names.index(name) for name in said)
        records.append(Record(folder / file, (3, 4), None, labels=labels, group=group, split=split))
    return Dataset("some", names, tuple(records))


def facts(data: Dataset) -> dict[str, object]:
    named = {
        record.image.name: None if record.labels is None else {data.names[label] for label in record.labels}
        for record in data
    }
    return {record.image.name: (named[record.image.name], record.split, record.group) for record in data}


@given(tables(PLAIN.filter(lambda word: word == word.strip() and word != "-")))
def test_what_was_written_reads_as_the_same_records(rows):
    """Commas, quotes, blanks inside, letters of any script: read(write(data)) = data."""
    with tempfile.TemporaryDirectory() as folder:
        data = dataset(Path(folder), rows)
        assert formats.write(data, Path(folder) / "labels.csv", "labels_csv") == ()
        assert facts(formats.read(Path(folder) / "labels.csv")) == facts(data)


@given(tables(ODD))
def test_any_name_comes_back_or_is_refused(rows):
    with tempfile.TemporaryDirectory() as folder:
        data = dataset(Path(folder), rows)
        try:
            formats.write(data, Path(folder) / "labels.csv", "labels_csv")
        except DatasetError as error:
            assert error.headline == "this name cannot stand in a table of labels"
        else:
            assert facts(formats.read(Path(folder) / "labels.csv")) == facts(data)


@pytest.mark.parametrize("name", ["a;b", "a|b", "none", "-", " rust"])
def test_a_class_that_the_table_would_read_otherwise_is_refused(tmp_path, name):
    data = Dataset("some", (name,), (Record(image(tmp_path / "a.jpg"), (30, 40), None, labels=(0,)),))
    with pytest.raises(DatasetError) as caught:
        formats.write(data, tmp_path / "labels.csv", "labels_csv")
    assert str(caught.value) == (
        "DatasetError: this name cannot stand in a table of labels\n"
        '  record    image "a.jpg"\n'
        "  field     class\n"
        "  expected  a name without ; and | that is not none or -, which say no class\n"
        f"  got       {name!r}\n"
        "  fix       rename it"
    )
    assert not (tmp_path / "labels.csv").exists()


def test_of_objects_the_classes_are_kept_and_the_shapes_counted(tmp_path):
    masks = RleMasks.from_boxes(np.array([[1, 1, 5, 5]] * 2), (30, 40))
    drawn = Instances(masks.boxes, np.array([1, 1]), None, masks, ("dent", "rust", "weld"))
    boxes = Instances(masks.boxes[:1], np.array([0]), np.ones(1), None, drawn.names)
    files = [image(tmp_path / f"{name}.jpg") for name in "abcd"]
    records = [Record(file, (30, 40), item) for file, item in zip(files, (drawn, boxes, drawn[:0], None), strict=True)]
    skipped = Record(image(tmp_path / "e.jpg"), (30, 40), None, skipped=True)
    lost = formats.write(Dataset("some", drawn.names, (*records, skipped)), tmp_path / "labels.csv", "labels_csv")
    assert {*sentences(lost)} == {f"{what} cannot be kept" for what in (
        "1 skipped image", "2 outlines", "1 box", "1 score", "1 class that no image shows")}  # fmt: skip
    assert (tmp_path / "labels.csv").read_text() == "file,labels\na.jpg,rust\nb.jpg,dent\nc.jpg,none\nd.jpg,\n"


def test_two_images_of_one_name_elsewhere_are_not_mixed_up(tmp_path):
    records = [Record(image(tmp_path / name / "a.jpg"), (30, 40), None, labels=(0,)) for name in ("clean", "rust")]
    data = Dataset("some", ("rust",), tuple(records))
    with pytest.raises(DatasetError, match="two images of one name"):
        formats.write(data, tmp_path / "out" / "labels.csv", "labels_csv")
    formats.write(data, tmp_path / "labels.csv", "labels_csv")
    assert len(formats.read(tmp_path / "labels.csv").usable()) == 2


def test_classes_that_look_like_formulas_are_guarded_one_by_one_and_read_again(tmp_path):
    image(tmp_path / "a.jpg")
    record = Record(tmp_path / "a.jpg", (30, 40), None, labels=(0, 1))
    formats.write(Dataset("x", ("+1+1", "=1+1"), (record,)), tmp_path / "labels.csv", "labels_csv")
    assert "a.jpg,'+1+1;'=1+1\n" in (tmp_path / "labels.csv").read_text("utf-8")
    assert said(formats.read(tmp_path / "labels.csv")) == {"a": ("+1+1", "=1+1")}


@pytest.mark.parametrize("header", ["File;Labels;Split", "FILE\tLABELS\tSPLIT", '"file","labels","split"'])
def test_semicolons_tabs_quotes_and_capitals_are_read(tmp_path, header):
    mark = header[4] if header[4] in ";\t" else ","
    data = formats.read(table(tmp_path, mark.join(["a.jpg", "rust", "val"]), header=header))
    assert said(data)["a"] == ("rust",)
    assert data.records[0].split == "val"


def test_two_columns_of_one_class_are_refused(tmp_path):
    with pytest.raises(AnnotationError, match="two columns have the same name"):
        formats.read(table(tmp_path, "a.jpg,0,1,1", header="file,dent,rust,dent"))
