"""Visualization of images, boxes, masks and matches with matplotlib (imported when first used)."""

from __future__ import annotations

import colorsys
import importlib
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.errors import MissingExtra
from maskwright.extras import how_to_install
from mrcnn import utils
from mrcnn.boxes import compute_overlaps_masks
from mrcnn.outlines import find_contours, mask_outlines
from mrcnn.plots import display_table, display_weight_stats, plot_overlaps, plot_precision_recall
from mrcnn.scores import compute_matches

__all__ = [
    "apply_mask",
    "compute_overlaps_masks",
    "display_differences",
    "display_images",
    "display_instances",
    "display_table",
    "display_top_masks",
    "display_weight_stats",
    "draw_box",
    "draw_boxes",
    "draw_rois",
    "find_contours",
    "plot_overlaps",
    "plot_precision_recall",
    "random_colors",
    "utils",
]

_LAZY = {  # what scripts reach through this module -> where it is
    "plt": "matplotlib.pyplot",
    "patches": "matplotlib.patches",
    "lines": "matplotlib.lines",
    "Polygon": "matplotlib.patches:Polygon",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'mrcnn.visualize' has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra("pictures need matplotlib", fix=how_to_install("maskwright[matterport]")) from error
    return getattr(found, attribute) if attribute else found


def _plt() -> Any:
    return __getattr__("plt")


def display_images(
    images: Sequence[np.ndarray] | np.ndarray,
    titles: Sequence[Any] | None = None,
    cols: int = 4,
    cmap: Any = None,
    norm: Any = None,
    interpolation: Any = None,
) -> None:
    """Shows images in rows of `cols`, with a title above each."""
    plt = _plt()
    titles = titles if titles is not None else [""] * len(images)
    rows = len(images) // cols + 1
    plt.figure(figsize=(14, 14 * rows // cols))
    for number, (image, title) in enumerate(zip(images, titles, strict=False), start=1):
        plt.subplot(rows, cols, number)
        plt.title(title, fontsize=9)
        plt.axis("off")
        plt.imshow(np.asarray(image).astype(np.uint8), cmap=cmap, norm=norm, interpolation=interpolation)
    plt.show()


def random_colors(N: int, bright: bool = True) -> list[tuple[float, float, float]]:
    """N colors (0..1) that differ as much as possible, in random order."""
    colors = [colorsys.hsv_to_rgb(i / N, 1, 1.0 if bright else 0.7) for i in range(N)]
    random.shuffle(colors)
    return colors


def apply_mask(image: np.ndarray, mask: np.ndarray, color: Sequence[float], alpha: float = 0.5) -> np.ndarray:
    """Tints the image, in place, where the mask is 1."""
    inside = np.asarray(mask) == 1
    tint = np.asarray(color[:3]) * 255 * alpha
    image[..., :3][inside] = (image[..., :3][inside] * (1 - alpha) + tint).astype(image.dtype)
    return image


def display_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray | None,
    class_ids: np.ndarray,
    class_names: Sequence[Any],
    scores: np.ndarray | None = None,
    title: str = "",
    figsize: tuple[float, float] = (16, 16),
    ax: Any = None,
    show_mask: bool = True,
    show_bbox: bool = True,
    colors: Sequence[Any] | None = None,
    captions: Sequence[Any] | None = None,
) -> None:
    """Shows the image with boxes (n×4), masks (H×W×n), outlines and captions; at once, unless drawn into `ax`.

    colors    n colors (0..1); random ones if None
    captions  n texts; class and score if None
    """
    count = boxes.shape[0]
    if not count:
        print("\n*** No instances to display *** \n")
    else:
        assert masks is None or masks.shape[-1] == count, "as many masks as boxes"
        assert class_ids.shape[0] == count, "as many class ids as boxes"
    show = ax is None
    if ax is None:
        ax = _plt().subplots(1, figsize=figsize)[1]
    colors = colors or random_colors(count)
    painted = _prepare(ax, image, title)
    for i in range(count):
        if not np.any(boxes[i]):
            continue  # cropped away: a zero row
        y1, x1 = boxes[i][:2]
        if show_bbox:
            _rectangle(ax, boxes[i], colors[i], alpha=0.7, linestyle="dashed")
        if captions is not None:
            caption = captions[i]
        else:
            score = scores[i] if scores is not None else None
            label = class_names[int(class_ids[i])]
            caption = f"{label} {score:.3f}" if score is not None and score else label
        ax.text(x1, y1 + 8, caption, color="w", size=11, backgroundcolor="none")
        if masks is not None:
            _paint(ax, painted, masks[:, :, i], colors[i], show_mask)
    ax.imshow(painted.astype(np.uint8))
    if show:
        _plt().show()


def display_differences(
    image: np.ndarray,
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    class_names: Sequence[Any],
    title: str = "",
    ax: Any = None,
    show_mask: bool = True,
    show_box: bool = True,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
) -> None:
    """Shows annotated objects (green) and detections (red); captions: score / IoU of each detection."""
    _, pred_match, overlaps = compute_matches(
        gt_box,
        gt_class_id,
        gt_mask,
        pred_box,
        pred_class_id,
        pred_score,
        pred_mask,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
    )
    order = np.argsort(pred_score[: len(pred_match)])[::-1]  # compute_matches answers in this order
    best = overlaps.max(axis=1) if overlaps.shape[1] else np.zeros(len(order))
    found = [
        f"{pred_score[row]:.2f} / {best[i] if pred_match[i] < 0 else overlaps[i, int(pred_match[i])]:.2f}"
        for i, row in enumerate(order)
    ]
    display_instances(
        image,
        np.concatenate([gt_box, pred_box[order]], axis=0),
        np.concatenate([gt_mask, pred_mask[..., order]], axis=-1),
        np.concatenate([gt_class_id, pred_class_id[order]], axis=0),
        class_names,
        None,
        ax=ax,
        show_bbox=show_box,
        show_mask=show_mask,
        colors=[(0, 1, 0, 0.8)] * len(gt_box) + [(1, 0, 0, 1)] * len(order),
        captions=[""] * len(gt_box) + found,
        title=title or "Ground Targets and Detections\n GT=green, pred=red, captions: score/IoU",
    )


def draw_rois(
    image: np.ndarray,
    rois: np.ndarray,
    refined_rois: np.ndarray,
    mask: np.ndarray,
    class_ids: np.ndarray,
    class_names: Sequence[Any],
    limit: int = 10,
) -> None:
    """Shows some rois (dashed; gray: background), what became of them, their masks; prints how many there are."""
    ax = _plt().subplots(1, figsize=(12, 12))[1]
    chosen = np.random.permutation(len(rois))[:limit]
    painted = _prepare(ax, image, f"Showing {len(chosen)} random ROIs out of {len(rois)}", margin=20)
    for i in chosen:
        color = tuple(np.random.rand(3))
        own = class_ids[i] > 0
        _rectangle(ax, rois[i], color if own else "gray", linestyle="dashed")
        if not own:
            continue
        _rectangle(ax, refined_rois[i], color)
        (y1, x1, _, _), (ry1, rx1, _, _) = rois[i], refined_rois[i]
        ax.plot([x1, rx1], [y1, ry1], color=color)  # from the original to the refined position
        ax.text(rx1, ry1 + 8, str(class_names[int(class_ids[i])]), color="w", size=11, backgroundcolor="none")
        apply_mask(painted, utils.unmold_mask(mask[i], rois[i][:4].astype(np.int32), image.shape), color)
    ax.imshow(painted.astype(np.uint8))
    positive = int((class_ids > 0).sum())
    print("Positive ROIs: ", positive)
    print("Negative ROIs: ", int((class_ids == 0).sum()))
    print(f"Positive Ratio: {positive / max(class_ids.shape[0], 1):.2f}")


def draw_box(image: np.ndarray, box: Sequence[int], color: Sequence[int]) -> np.ndarray:
    """Draws a box two pixels wide into the image, in place."""
    y1, x1, y2, x2 = box
    image[y1 : y1 + 2, x1:x2] = color
    image[y2 : y2 + 2, x1:x2] = color
    image[y1:y2, x1 : x1 + 2] = color
    image[y1:y2, x2 : x2 + 2] = color
    return image


def display_top_masks(
    image: np.ndarray, mask: np.ndarray, class_ids: np.ndarray, class_names: Sequence[Any], limit: int = 4
) -> None:
    """Shows the image, and beside it the masks of the classes that cover most of it, as many as `limit`."""
    pictures: list[Any] = [image]
    titles: list[Any] = [f"H x W={image.shape[0]}x{image.shape[1]}"]
    areas = {class_id: int(mask[:, :, np.where(class_ids == class_id)[0]].sum()) for class_id in np.unique(class_ids)}
    largest = [class_id for class_id in sorted(areas, key=lambda each: areas[each], reverse=True) if areas[class_id]]
    for class_id in [*largest, *[-1] * limit][:limit]:
        rows = np.where(class_ids == class_id)[0] if class_id != -1 else []
        picture = mask[:, :, rows].any(axis=2) if len(rows) else np.zeros(mask.shape[:2], bool)
        pictures.append(picture.astype(np.uint8))
        titles.append(class_names[class_id] if class_id != -1 else "-")
    display_images(pictures, titles=titles, cols=limit + 1, cmap="Blues_r")


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray | None = None,
    refined_boxes: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    captions: Sequence[Any] | None = None,
    visibilities: Sequence[int] | None = None,
    title: str = "",
    ax: Any = None,
) -> None:
    """Draws boxes (dashed) and what became of them (solid).

    visibilities  0: gray and faint, 1: colored and dotted, 2: in full
    captions      one for each box, or "" or None
    """
    assert boxes is not None or refined_boxes is not None
    count = len(boxes) if boxes is not None else len(refined_boxes)  # type: ignore[arg-type]
    if ax is None:
        ax = _plt().subplots(1, figsize=(12, 12))[1]
    colors = random_colors(count)
    painted = _prepare(ax, image, title, margin=20)
    styles = {0: ("gray", "dotted", 0.5), 1: (None, "dotted", 1.0), 2: (None, "solid", 1.0)}
    for i in range(count):
        color, style, alpha = styles[2 if visibilities is None else int(visibilities[i])]
        color = color or colors[i]
        at = None
        if boxes is not None and np.any(boxes[i]):
            at = boxes[i]
            _rectangle(ax, boxes[i], color, alpha=alpha, linestyle="dashed" if refined_boxes is not None else style)
        if refined_boxes is not None and (visibilities is None or visibilities[i] > 0):
            refined = refined_boxes[i].astype(np.int32)
            _rectangle(ax, refined, color)
            if at is not None:
                ax.plot([at[1], refined[1]], [at[0], refined[0]], color=color)
            at = refined
        if captions is not None and at is not None and captions[i]:
            box = {"facecolor": "none", "edgecolor": "none", "pad": 2}
            ax.text(at[1], at[0], captions[i], size=11, verticalalignment="top", color="w", bbox=box)
        if masks is not None:
            _paint(ax, painted, masks[:, :, i], color if color != "gray" else (0.5, 0.5, 0.5), True)
    ax.imshow(painted.astype(np.uint8))


# --- what they share ------------------------------------------------------------------------------
def _prepare(ax: Any, image: np.ndarray, title: str, margin: int = 10) -> np.ndarray:
    """Axes around the image, and a copy of it to paint on."""
    height, width = image.shape[:2]
    ax.set_ylim(height + margin, -margin)
    ax.set_xlim(-margin, width + margin)
    ax.axis("off")
    ax.set_title(title)
    return image.astype(np.uint32).copy()


def _rectangle(ax: Any, box: Any, color: Any, **style: Any) -> None:
    y1, x1, y2, x2 = box[:4]
    patch = __getattr__("patches").Rectangle
    ax.add_patch(patch((x1, y1), x2 - x1, y2 - y1, linewidth=2, edgecolor=color, facecolor="none", **style))


def _paint(ax: Any, painted: np.ndarray, mask: np.ndarray, color: Any, tint: bool) -> None:
    if tint:
        apply_mask(painted, mask, color)
    polygon = __getattr__("Polygon")
    for outline in mask_outlines(np.asarray(mask) > 0):
        ax.add_patch(polygon(outline, facecolor="none", edgecolor=color))
