"""The engine that a user chose for all models on this machine: a file that only `maskwright bench --save` writes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from maskwright import files
from maskwright.errors import RecipeError

ANY = "auto"


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `auto` means on this machine; "auto" itself: as without the file."""

    engine: str = ANY
    precision: str = ANY


def settings_file() -> Path:
    """MASKWRIGHT_SETTINGS, or settings.json in the platform's folder for settings. Neither need exist."""
    if chosen := os.environ.get("MASKWRIGHT_SETTINGS"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return folder / "maskwright" / "settings.json"


def read_settings() -> EngineSettings:
    """What was saved; RecipeError for a file that holds anything else."""
    file = settings_file()
    try:
        return msgspec.json.decode(file.read_bytes(), type=EngineSettings)
    except FileNotFoundError:
        return EngineSettings()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecipeError(
            "these settings cannot be read", file=file, expected='JSON such as {"engine": "openvino"}', got=error,
            fix="write them again, maskwright bench MODEL --save, or delete the file",
        ) from error  # fmt: skip


def save_settings(settings: EngineSettings) -> Path:
    """Write them in place of those before, and return the file."""
    file = settings_file()
    files.write_text(file, msgspec.json.format(msgspec.json.encode(settings), indent=2).decode() + "\n")
    return file
