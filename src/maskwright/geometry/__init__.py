"""Arrays in, arrays out: boxes, run lengths, outlines, soft masks. numpy only; knows none of our types."""
