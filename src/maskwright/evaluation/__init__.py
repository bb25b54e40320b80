"""Metrics and their confidence intervals, from lists of Instances or plain arrays; independent of models."""
