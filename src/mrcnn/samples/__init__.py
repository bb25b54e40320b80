"""The command lines of the original's samples: `python -m mrcnn.samples.balloon train --dataset=D --weights=coco`."""
