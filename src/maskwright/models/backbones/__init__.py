"""Backbones and the feature pyramid: a network input becomes maps of strides 4 to 64.

Every backbone is as `models/base.py` describes it. At the end of a file are the functions that build one by its name,
for the rows of `models/registry.py`.
"""
