"""Rendered scenes with exact ground-truth masks, for tests, demos and pretraining."""

from maskwright.synth.scene import KINDS, Scene, render, render_set

__all__ = ["KINDS", "Scene", "render", "render_set"]
