"""Evaluate by cross-validation: every image once, by a model that never saw it. For sets too small to hold images back.

    python examples/cross_validation.py party/ 3 10

A folder with images and annotations; how many folds; minutes for each.
"""

import sys

import maskwright

folder = sys.argv[1]
k = int(sys.argv[2]) if len(sys.argv) > 2 else 3
minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0

evaluated = maskwright.cross_validate(folder, k=k, time_budget=60 * minutes, verbose=True)

for number, metrics in enumerate(evaluated.folds, 1):
    print(f"fold {number}: {metrics.images} images, mask AP50 {metrics.mask and metrics.mask.AP50}")
mask = evaluated.pooled.mask
if mask is not None and mask.AP50 is not None:
    low, high = mask.intervals["AP50"] or (mask.AP50, mask.AP50)
    print(f"together: {evaluated.pooled.images} images, mask AP50 {mask.AP50:.3f} ({low:.2f} to {high:.2f})")
print("the images it does worst on:", ", ".join(name for name, _ in evaluated.pooled.worst_images(3)))
