"""Visualization: outlines on an image, color splash, saliency maps, contact sheets. Arrays in, arrays out."""
