"""The stand-in for imgaug: what acts, and what is named because it does not."""

from __future__ import annotations

import numpy as np
import pytest

from maskwright.errors import MissingExtra
from mrcnn.standins import absent, imgaug


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absent, "_said", set())


def gray(value: int = 100) -> np.ndarray:
    return np.full((4, 4, 3), value, np.uint8)


def test_image_and_mask_are_augmented_alike():
    iaa = imgaug.module("imgaug").augmenters
    every = iaa.SomeOf(
        (1, 3),
        [
            iaa.Fliplr(0.5),
            iaa.Flipud(0.5),
            iaa.Affine(rotate=(-45, 45), scale=(0.7, 1.2)),
            iaa.OneOf([iaa.Rotate([90, 180])]),
        ],
    )
    image = np.zeros((40, 40, 3), np.uint8)
    image[5:15, 8:30] = 200
    for _ in range(10):
        same = every.to_deterministic()
        mask = same.augment_image((image[..., :1] > 0).astype(np.uint8))
        assert ((same.augment_image(image)[..., 0] > 0) == (mask[..., 0] > 0)).all()


def test_gray_values_of_masks_are_left_alone():
    iaa = imgaug.module("imgaug.augmenters")
    hooks = imgaug.module("imgaug").HooksImages(lambda images, augmenter, parents, default: False)
    image = np.full((4, 4, 3), 100, np.uint8)
    both = iaa.Sequential([iaa.Multiply((1.5, 1.5)), iaa.GaussianBlur(sigma=(0, 2.0)), iaa.Add(5)])
    assert both.augment_image(image).tolist() == np.full((4, 4, 3), 155).tolist()
    assert both.augment_image(image, hooks=hooks).tolist() == image.tolist()


def test_an_augmenter_that_is_not_here_says_so_and_does_nothing(capsys):
    image = np.full((4, 4, 3), 100, np.uint8)
    iaa = imgaug.module("imgaug.augmenters")
    assert (iaa.Sometimes(1.0, iaa.PiecewiseAffine(scale=0.1)).augment_image(image) == image).all()
    assert "imgaug.augmenters.PiecewiseAffine leaves images as they are" in capsys.readouterr().err


# --- parameters -------------------------------------------------------------------------------------
def test_a_parameter_draws_its_numbers():
    iaa, iap = imgaug.module("imgaug.augmenters"), imgaug.module("imgaug.parameters")
    given = [
        (iap.Deterministic(2), 2),
        (iap.Choice([2]), 2),
        (iap.Clip(iap.Normal(0, 1), 2, 2), 2),
        (iap.Add(iap.Deterministic(1), 1), 2),
        (iap.Absolute(iap.Deterministic(-2)), 2),
        (iap.Uniform(2, 2), 2),
        (iap.DiscreteUniform(2, 2), 2),
        (iap.Binomial(1), 1),
    ]
    for parameter, factor in given:
        assert (iaa.Multiply(parameter).augment_image(gray()) == 100 * factor).all(), parameter


def test_every_parameter_gives_a_number():
    iap = imgaug.module("imgaug.parameters")
    from mrcnn.standins.parameters import DRAWS, Draw, number

    for name in DRAWS:
        made = getattr(iap, name)(*([[1.0]] if name == "Choice" else [0.5, 0.5, 0.5][: _wants(DRAWS[name])]))
        assert np.isfinite(number(made, Draw(0))), name


def _wants(draws) -> int:
    import inspect

    needed = [
        parameter for parameter in inspect.signature(draws).parameters.values() if parameter.default is parameter.empty
    ]
    return len(needed) - 1


def test_a_parameter_with_wrong_arguments_is_named():
    with pytest.raises(TypeError, match=r"imgaug\.parameters\.Normal"):
        imgaug.module("imgaug.parameters").Normal(1, 2, 3)


def test_an_augmenter_with_a_parameter_that_is_not_here_does_nothing_and_says_so(capsys):
    iaa, iap = imgaug.module("imgaug.augmenters"), imgaug.module("imgaug.parameters")
    every = iaa.Sequential([iaa.Multiply(iap.SimplexNoise()), iaa.Sometimes(iap.SimplexNoise(), iaa.Add(50))])
    for _ in range(3):
        assert (every.augment_image(gray()) == 100).all()
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "imgaug.augmenters.Multiply leaves images as they are here" in told[0]
    assert "SimplexNoise" in told[0]


def test_the_example_of_imgaugs_readme_is_made_and_acts(capsys):
    ia = imgaug.module("imgaug")
    ia.seed(1)
    affine = ia.augmenters.Affine(rotate=ia.parameters.Normal(0, 5), cval=(0, 255), mode=ia.ALL)
    assert affine.augment_image(gray()).shape == (4, 4, 3)
    assert repr(ia.augmenters.Sequential([affine])) == "Sequential(Affine())"
    assert "mode='ALL' is not here" in capsys.readouterr().err


def test_any_value_outside_the_image_is_drawn_where_all_are_allowed():
    ia = imgaug.module("imgaug")
    moved = ia.augmenters.Affine(translate_px=100, cval=ia.ALL).augment_image(gray())
    assert len(np.unique(moved)) == 1 and moved.dtype == np.uint8


# --- the rest of imgaug -----------------------------------------------------------------------------
def test_the_rest_of_imgaug_has_no_effect_and_is_named_once(capsys):
    ia = imgaug.module("imgaug")
    for _ in range(2):
        ia.imshow(gray())
        ia.augmenters.Fliplr(0.5).show_grid(gray(), 2, 2)
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "maskwright run: imgaug.imshow has no effect here",
        "maskwright run: imgaug.augmenters.Fliplr.show_grid has no effect here",
    ]


def test_modules_below_have_the_same_classes():
    iaa = imgaug.module("imgaug.augmenters")
    assert imgaug.module("imgaug.augmenters.flip").Fliplr is iaa.Fliplr is iaa.flip.Fliplr
    assert isinstance(iaa.Fliplr(1), iaa.Augmenter)


def test_boxes_do_not_stay_where_they_are_while_their_image_turns():
    fliplr = imgaug.module("imgaug.augmenters").Fliplr(1)
    with pytest.raises(MissingExtra, match="augment_bounding_boxes of imgaug is not here"):
        fliplr.augment_bounding_boxes([])
    with pytest.raises(MissingExtra, match="bounding_boxes"):
        fliplr(image=gray(), bounding_boxes=[])
