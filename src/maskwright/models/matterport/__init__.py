"""Mask R-CNN as matterport/Mask_RCNN computes it in TensorFlow."""
