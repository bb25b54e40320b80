"""Tasks: segmentation, detection, image classification; each with its evaluation, validation and report."""
