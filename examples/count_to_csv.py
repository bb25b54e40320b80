"""Count the objects of every image into a table: one line an image, one column a class.

    python examples/count_to_csv.py holiday/ balloons counts.csv

A folder of images; a model's name or folder; the table to write.
"""

import csv
import sys
from pathlib import Path

import maskwright

folder = sys.argv[1]
model = sys.argv[2] if len(sys.argv) > 2 else "balloons"
table = Path(sys.argv[3] if len(sys.argv) > 3 else "counts.csv")

find = maskwright.load(model)
done = maskwright.predict(find, folder)

with table.open("w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["image", *find.card.classes])
    for each in done.images:
        counts = each.instances.counts()
        writer.writerow([each.image, *(counts.get(name, 0) for name in find.card.classes)])
print(f"{len(done.images)} images, {done.counts()} in all: {table}")
for error in done.failed:
    print(error)
