"""Judge by cross-validation: every photo once, by a model that never saw it. For sets too small to hold photos back.

    python examples/cross_validation.py party/ 3 10

A folder with photos and annotations; how many folds; minutes for each.
"""

import sys

import maskwright

folder = sys.argv[1]
k = int(sys.argv[2]) if len(sys.argv) > 2 else 3
minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0

judged = maskwright.folds(folder, k=k, time_budget=60 * minutes, say=print)

for number, figures in enumerate(judged.each, 1):
    print(f"fold {number}: {figures.photos} photos, mask AP50 {figures.mask and figures.mask.AP50}")
mask = judged.pooled.mask
if mask is not None and mask.AP50 is not None:
    low, high = mask.intervals["AP50"] or (mask.AP50, mask.AP50)
    print(f"together: {judged.pooled.photos} photos, mask AP50 {mask.AP50:.3f} ({low:.2f} to {high:.2f})")
print("the photos it does worst on:", ", ".join(name for name, _ in judged.pooled.worst_photos(3)))
