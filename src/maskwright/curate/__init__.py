"""What one does to a Dataset: find duplicates, split without leaks, download published sets."""
