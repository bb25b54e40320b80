"""Pixels in: whatever a user calls an image becomes an Image.

decode.py   a file or its bytes -> Image; its size from the header alone
window.py   which gray values become black and white, for 16-bit images and X-rays
sources.py  files, folders, patterns, addresses, standard input, arrays
"""
