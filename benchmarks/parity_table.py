"""docs/parity.md from the CSV of check_parity.py.

    cd tests && python ../../shared/parity/check_parity.py --mrcnn ../src --weights WEIGHTS --adapter parity_adapter \\
        --csv parity.csv
    python benchmarks/parity_table.py tests/parity.csv > docs/parity.md
"""

from __future__ import annotations

import csv
import datetime
import sys
from collections import defaultdict

HEAD = """# The original's numbers

What matterport/Mask_RCNN itself computed (its unmodified code under TensorFlow 1.14, on generated weights), against
what `mrcnn` computes here. Largest difference of every item; a map's difference is a fraction of its standard
deviation.
All {count} items on {date}; beyond their limit: {failed}. Float32; one thread
in the table; the resnet101 cases pass with two as well.

    python ../shared/parity/check_parity.py --mrcnn src --weights WEIGHTS --adapter parity_adapter   (PYTHONPATH=tests)

Boxes that end exactly on the right or bottom edge of the image (11 to 17 % of the proposals) are pooled with or without
their last samples after a change of the last bit; the evaluate lists them without a limit (marked -).
"""


def number(value: str) -> str:
    return "0" if float(value) == 0 else f"{float(value):.2g}"


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    cases: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        cases[row["case"]].append(row)
    failed = sum(row["ok"] != "True" for row in rows)
    print(HEAD.format(count=len(rows), date=datetime.date.today().isoformat(), failed=failed))

    models = [case for case in cases if case not in ("layers", "utils", "training", "text")]
    print("## Whole networks\n")
    print("| item | limit | " + " | ".join(models) + " |")
    print("| --- | ---: |" + " ---: |" * len(models))
    items: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for case in models:
        for row in cases[case]:
            name = row["item"].replace("res4f_out", "res4 (last)").replace("res4w_out", "res4 (last)")
            items[name][case] = row
    for item, by_case in items.items():
        limits = sorted({row["limit"] for row in by_case.values()})
        limit = "-" if limits == ["None"] else " to ".join(f"{float(this_limit):g}" for this_limit in limits)
        values = [number(by_case[case]["difference"]) if case in by_case else "" for case in models]
        print(f"| {item} | {limit} | " + " | ".join(values) + " |")

    for case, title in (
        ("layers", "Graph functions, losses, gradients"),
        ("training", "Training: a batch, its targets, losses, gradients, SGD steps"),
        ("utils", "Unit functions"),
        ("text", "Prints and names"),
    ):
        print(f"\n## {title}\n\n| item | largest difference | limit |\n| --- | ---: | ---: |")
        for row in cases[case]:
            limit = "-" if row["limit"] == "None" else f"{float(row['limit']):g}"
            print(f"| {row['item'].replace('|', '/')} | {number(row['difference'])} | {limit} |")


if __name__ == "__main__":
    main()
