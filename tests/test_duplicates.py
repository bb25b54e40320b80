"""Duplicates: the same picture twice, turned or mirrored, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from maskwright.curate.duplicates import TURNS, difference_hash, find_duplicates, joined


def scene(seed: int, size: tuple[int, int] = (120, 160)) -> Image.Image:
    """A soft random picture: large blobs, as images have."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)


def save(folder: Path, images: dict[str, Image.Image]) -> list[Path]:
    for name, image in images.items():
        image.save(folder / name)
    return [folder / name for name in images]


def test_no_images_have_no_duplicates():
    detections = find_duplicates([])
    assert (detections.pairs, detections.groups, detections.unread) == ((), (), ())


def test_different_images_are_no_duplicates(tmp_path):
    paths = save(tmp_path, {f"{seed}.jpg": scene(seed) for seed in range(30)})
    assert find_duplicates(paths).pairs == ()


def test_equal_pixels_are_exact_whatever_the_file(tmp_path):
    image = scene(1)
    paths = save(tmp_path, {"a.png": image, "b.bmp": image, "c.png": scene(2)})
    (pair,) = find_duplicates(paths).exact
    assert (pair.first, pair.second, pair.distance, pair.turn) == (0, 1, 0, "")


def test_a_smaller_brighter_copy_is_near_and_not_exact(tmp_path):
    image = scene(3)
    copy = image.resize((80, 60)).point(lambda value: value * 0.7 + 40)
    detections = find_duplicates(save(tmp_path, {"a.png": image, "b.jpg": copy}))
    assert len(detections.near) == 1 and not detections.exact


TRANSPOSES = {
    "90": Image.Transpose.ROTATE_270,  # the copy was turned clockwise: it goes back by 90 anticlockwise
    "180": Image.Transpose.ROTATE_180,
    "270": Image.Transpose.ROTATE_90,
    "mirrored": Image.Transpose.FLIP_LEFT_RIGHT,
    "mirrored 180": Image.Transpose.FLIP_TOP_BOTTOM,
}


@pytest.mark.parametrize("turn", TRANSPOSES)
@pytest.mark.parametrize("seed", range(4))
def test_a_turned_copy_is_found_and_its_turn_named(tmp_path, turn, seed):
    paths = save(tmp_path, {"a.png": scene(seed), "b.png": scene(seed).transpose(TRANSPOSES[turn])})
    (pair,) = find_duplicates(paths).pairs
    assert (pair.turn, pair.exact) == (turn, False)


@pytest.mark.parametrize("turn", range(8))
def test_the_turn_named_brings_the_second_onto_the_first_in_either_order(tmp_path, turn):
    gray = np.asarray(scene(5, (64, 64)).convert("L"))
    mirrored = gray[:, ::-1] if turn >= 4 else gray
    other = np.rot90(mirrored, turn % 4)
    paths = save(tmp_path, {"a.png": Image.fromarray(gray), "b.png": Image.fromarray(np.ascontiguousarray(other))})
    for order in (paths, paths[::-1]):
        first, second = (np.asarray(Image.open(path)) for path in order)
        (pair,) = find_duplicates(order).pairs
        place = TURNS.index(pair.turn)
        back = np.rot90(second[:, ::-1] if place >= 4 else second, place % 4)
        assert np.array_equal(back, first)


def test_an_exif_turn_is_seen_through(tmp_path):
    image = scene(7)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    image.save(tmp_path / "upright.png")
    (pair,) = find_duplicates([tmp_path / "turned.png", tmp_path / "upright.png"]).pairs
    assert (pair.turn, pair.exact) == ("", True)


def test_two_black_frames_are_duplicates_but_two_noisy_walls_are_not(tmp_path):
    black = Image.new("RGB", (90, 60))
    walls = [
        Image.fromarray(np.random.default_rng(seed).integers(118, 122, (90, 60), dtype=np.uint8)) for seed in (1, 2)
    ]
    paths = save(tmp_path, {"a.png": black, "b.png": black, "c.png": walls[0], "d.png": walls[1]})
    assert find_duplicates(paths, near=256).groups == ((0, 1),)


def test_an_image_that_cannot_be_read_is_named_and_matches_nothing(tmp_path):
    paths = save(tmp_path, {"a.png": scene(1), "b.png": scene(1)})
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no image")
    detections = find_duplicates([broken, *paths, tmp_path / "absent.jpg"])
    assert detections.unread == (broken, tmp_path / "absent.jpg")
    assert detections.groups == ((1, 2),)


def test_progress_sees_every_image_once(tmp_path):
    paths = save(tmp_path, {f"{seed}.png": scene(seed) for seed in range(3)})
    seen = []
    find_duplicates(paths, progress=lambda items, **_: (seen.append(item) or item for item in items))
    assert seen == paths


def test_a_difference_hash_has_256_bits_and_ignores_contrast():
    gray = np.random.default_rng(0).random((3, 64, 64), np.float32)
    assert difference_hash(gray).shape == (3, 256)
    assert np.array_equal(difference_hash(gray), difference_hash(gray * 0.5 + 20))


@given(
    st.integers(0, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, max(n - 1, 0))] * 2)))
    )
)
def test_joined_numbers_fraction_a_group_and_no_number_is_in_two(case):
    count, pairs = case
    groups = joined(count, pairs if count else [])
    members = [item for group in groups for item in group]
    assert len(members) == len(set(members))
    place = {item: index for index, group in enumerate(groups) for item in group}
    for a, b in pairs if count else []:
        assert a == b or place[a] == place[b]


def test_rust_has_six_exact_pairs_and_no_near_ones(shared):
    paths = sorted((shared / "data/rust/download").rglob("*.jpg"))
    detections = find_duplicates(paths)
    assert len(paths) == 155
    names = {(paths[pair.first].stem, paths[pair.second].stem) for pair in detections.exact}
    assert names == {("norust.1", "norust.56"), ("norust.2", "norust.57"), ("norust.37", "norust.6"),
                     ("norust.4", "norust.55"), ("norust.47", "norust.8"), ("rust.29", "rust.76")}  # fmt: skip
    assert detections.near == ()


def test_the_rotated_copies_of_corrosion_are_sixteen_groups_of_four(shared):
    paths = sorted(shared.glob("data/corrosion_via/*/*.jpg"))
    detections = find_duplicates(paths)
    groups = {tuple(sorted(paths[index].stem for index in group)) for group in detections.groups}
    assert len(groups) == 16
    for original, *copies in groups:
        assert copies == [f"{original}_rotated_{turn}" for turn in (180, 270, 90)]
    assert {pair.turn for pair in detections.near} == {"90", "180", "270"}
