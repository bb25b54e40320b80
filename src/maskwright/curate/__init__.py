"""What one does to a Dataset: find twins, split without leaks, download published sets."""
