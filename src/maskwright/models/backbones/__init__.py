"""Backbones and the feature pyramid: a network input becomes maps of strides 4 to 64.

Every backbone has `channels` and `strides` of what it returns, and `stage_of(parameter name)`: 1 for the stem up to
stride 4, then 3, 4, 5 as matterport counts them.
"""
