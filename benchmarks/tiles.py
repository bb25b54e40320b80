"""Small defects on large images: whole images against tiles, with the same training time.

    python benchmarks/tiles.py RESULTS                      the five weld radiographs of GDXray, each evaluated once
    python benchmarks/tiles.py RESULTS --minutes 3 --tiles 0,256,512

Radiographs of 3500 to 5000 x 370 to 840 px with 356 flaws, half of them of 11 to 26 px. Each is evaluated by the last
weights of a run on the other four (they are one series, but each shows a place of its own). Masks of all five pooled;
the bootstrap goes over five images, so intervals are rough. Minutes are those of the processor, at one thread.

Data: MASKWRIGHT_SHARED, or ../shared.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import torch
from starts import facts, shown

import maskwright
from maskwright import formats

WELDS = Path(os.environ.get("MASKWRIGHT_SHARED", "../shared")) / "data" / "gdxray" / "Welding"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--tiles", default="0,256", help="sides in image pixels; 0: whole images")
    parser.add_argument("--size", type=int, default=512)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    data = formats.read(WELDS)
    data = replace(data, records=tuple(replace(record, group=None) for record in data))
    for tile in map(int, chosen.tiles.split(",")):
        plan = {"size": chosen.size, "tile": tile, "weights": "small", "time_budget": 60 * chosen.minutes, "workers": 0}
        plan["clock"] = time.process_time
        began = time.monotonic()
        done = maskwright.cross_validate(data, k=len(data), out=chosen.results / f"tile {tile}", **plan)
        result = facts(done.pooled) | {"cpu minutes a run": chosen.minutes, "size": chosen.size}
        result["seconds in all"] = round(time.monotonic() - began)
        (chosen.results / f"tile {tile}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        print(f"tile {tile or 'none'}: {shown(result)}", flush=True)


if __name__ == "__main__":
    main()
