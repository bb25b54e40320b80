"""Links: paths are resolved as pathlib does it, each folder once."""

from __future__ import annotations

import pytest

from maskwright.formats.links import real_path, stays, within


@pytest.fixture
def tree(tmp_path):
    """A folder with an image, links to both, one that leads out, and one in a circle."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "images" / "a.png").touch()
    (tmp_path / "outside.png").touch()
    try:
        (tmp_path / "data" / "images" / "b.png").symlink_to("a.png")
        (tmp_path / "data" / "images" / "out.png").symlink_to(tmp_path / "outside.png")
        (tmp_path / "data" / "linked").symlink_to("images", target_is_directory=True)
    except OSError:
        pytest.skip("no links can be made here")
    return tmp_path / "data"


@pytest.mark.parametrize(
    "name", ["images/a.png", "images/b.png", "images/out.png", "linked/a.png", "linked/b.png", "images/..", "linked/..",
             "images/absent.png", ".", "images"],
)  # fmt: skip
def test_a_real_path_is_the_one_of_pathlib(tree, name):
    """Also through folders that were resolved before."""
    folders = {}
    for _ in range(2):
        assert real_path(tree / name, folders) == (tree / name).resolve()


def test_a_link_that_leads_out_is_left_out_whatever_was_asked_before(tree):
    """The folder, remembered from the image beside it, says nothing of the link itself."""
    with within(tree) as scope:
        assert stays(tree / "images" / "a.png", tree) and stays(tree / "linked" / "b.png", tree)
        assert not stays(tree / "images" / "out.png", tree)
        assert list(scope.left_out) == ["images/out.png"]
        (tree / "images" / "a.png").unlink()
        (tree / "images" / "a.png").symlink_to(tree.parent / "outside.png")
        assert not stays(tree / "images" / "a.png", tree)
