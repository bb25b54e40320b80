"""Web: models behind an HTTP API, and pages to try and to annotate. Loads nothing from other hosts."""
