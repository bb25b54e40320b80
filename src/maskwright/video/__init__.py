"""Videos: read frame by frame, written frame by frame, with their sound and their times."""
