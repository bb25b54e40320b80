"""Reports: one self-contained HTML page of sections, readable offline, on paper and in the dark."""
