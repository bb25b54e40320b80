"""Arrays in, arrays out: boxes, run lengths, polygons, mask probabilities. Depends on numpy only."""
