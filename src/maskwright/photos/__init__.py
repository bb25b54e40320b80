"""Pixels in: whatever a user calls a photo becomes a Photo.

decode.py   a file or its bytes -> Photo; its size from the header alone
window.py   which grey values become black and white, for 16-bit photos and X-rays
sources.py  files, folders, patterns, addresses, standard input, arrays
"""
