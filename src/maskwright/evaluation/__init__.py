"""Metrics and how sure they are; takes lists of Instances, ours or anybody's."""
