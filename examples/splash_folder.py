"""Keep the objects of every photo in colour, turn the rest grey.

    python examples/splash_folder.py holiday/ balloons splash/

A folder of photos; a model's name or folder; where the pictures go.
"""

import sys

import maskwright

folder = sys.argv[1]
model = sys.argv[2] if len(sys.argv) > 2 else "balloons"
out = sys.argv[3] if len(sys.argv) > 3 else "splash"

done = maskwright.splash(model, folder, out=out, side_by_side=True)

for each in done.photos:
    print(f"{each.photo}: {len(each.instances)} objects, {each.files[0]}")
for error in done.failed:
    print(error)
