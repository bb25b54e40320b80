"""Pictures for people: outlines on a photo, colour splash, contact sheets. Arrays in, arrays out."""
