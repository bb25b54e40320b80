"""Keep the objects of every image in color, turn the rest gray.

    python examples/splash_folder.py holiday/ balloons splash/

A folder of images; a model's name or folder; where the pictures go.
"""

import sys

import maskwright

folder = sys.argv[1]
model = sys.argv[2] if len(sys.argv) > 2 else "balloons"
out = sys.argv[3] if len(sys.argv) > 3 else "splash"

done = maskwright.splash(model, folder, out=out, side_by_side=True)

for each in done.images:
    print(f"{each.image}: {len(each.instances)} objects, {each.files[0]}")
for error in done.failed:
    print(error)
