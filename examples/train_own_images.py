"""Train on a folder of annotated images, and say how good the model is.

    python examples/train_own_images.py party/ 20

A folder with images and their VIA or COCO file; minutes.
"""

import sys

import maskwright

folder = sys.argv[1]
minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0

trained = maskwright.train(folder, time_budget=60 * minutes, verbose=True)
evaluated = maskwright.evaluate(trained.folder, folder)

mask = evaluated.metrics.mask
if mask is not None and mask.AP50 is not None:
    low, high = mask.intervals["AP50"] or (mask.AP50, mask.AP50)
    print(
        f"mask AP50 {mask.AP50:.3f} ({low:.2f} to {high:.2f}) on {evaluated.metrics.images} images ({evaluated.split})"
    )
print(f"the model is in {trained.model}, the page about it is {trained.folder / 'report.html'}")
