"""Pictures for people: outlines on an image, color splash, contact sheets. Arrays in, arrays out."""
