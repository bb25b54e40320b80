"""torchvision, where it loads: beside a torch for CPUs its wheel needs help, from the tools of the shared data."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

TOOLS = Path(os.environ.get("MASKWRIGHT_SHARED") or Path(__file__).resolve().parents[3] / "shared") / "tools"


def load_torchvision() -> Any:
    """The module with its detectors; None, and a line on why, where it does not load."""
    try:
        if TOOLS.is_dir():
            sys.path.insert(0, str(TOOLS))
            import torchvision_cpu  # type: ignore[import-not-found]

            torchvision_cpu.ensure()
        import torchvision
        import torchvision.models.detection  # where a wheel for another torch fails
    except Exception as error:
        print(f"torchvision does not load here, so there is nothing to compare with: {error}", file=sys.stderr)
        return None
    return torchvision
