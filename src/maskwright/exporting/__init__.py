"""A model as a folder that runs without torch, and the comparison that shows it to be the same model."""
