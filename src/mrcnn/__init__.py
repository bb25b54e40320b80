"""The API of matterport's Mask R-CNN, so that scripts and weight files made for it keep working.

    config      Config: every setting, as class attributes in capitals
    model       MaskRCNN: load_weights, train, detect; molding, targets, the data generator
    utils       Dataset, boxes, masks, resizing, anchors, average precision
    visualize   pictures of all of it, with matplotlib
    samples     the command lines of the original's samples

Only the spelling and the arithmetic that nobody else has are here; the work is done by maskwright.
"""

__version__ = "2.1"
"""The version of the original whose names and behavior these modules follow."""
