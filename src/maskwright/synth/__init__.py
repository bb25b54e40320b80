"""Rendered scenes with exact masks: something to try everything with, and something to learn from."""

from maskwright.synth.scene import KINDS, Scene, render, render_set

__all__ = ["KINDS", "Scene", "render", "render_set"]
