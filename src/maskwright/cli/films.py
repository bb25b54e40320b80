"""Films named where photos are: looked at frame by frame, one new film each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskwright.cli.console import Console
from maskwright.errors import OutputError, RecipeError
from maskwright.video.read import is_film


def only_films(sources: Sequence[str], unfit: Sequence[str] = ()) -> bool:
    """Whether the sources are films. Films and photos together are refused, and options that films do not have.

    unfit  options that were given and that no film has
    """
    films = [source for source in sources if is_film(source)]
    if not films:
        return False
    if len(films) < len(sources):
        photo = next(source for source in sources if not is_film(source))
        raise RecipeError(
            "films and photos are looked at one after the other",
            field="SOURCES",
            wanted="films alone, or photos alone",
            got=f"{films[0]} beside {photo}",
            fix="two calls",
        )
    if unfit:
        raise OutputError(
            "of a film there is a new film, and a line a frame",
            field=unfit[0],
            wanted="--save-jsonl, or nothing",
            got=", ".join(unfit),
        )
    return True


def look_at(model: str, films: Sequence[str], out: Path, console: Console, settings: dict[str, Any]) -> int:
    """One after the other; the exit code: 130 where Ctrl-C ended one."""
    from maskwright.jobs.film import film
    from maskwright.prediction.predictor import load

    if len(films) > 1 and out.suffix:
        raise OutputError("several films need a folder", field="--out", wanted="a folder", got=out)
    loading = {name: settings.pop(name) for name in ("threshold", "size", "device", "precision", "names")}
    find = load(model, **loading)
    done = []
    for each in films:
        done.append(film(find, each, out=out, progress=console.progress, say=console.say, **settings))
        if done[-1].stopped:
            break

    def tell() -> None:
        for each in done:
            most = ", ".join(f"{count} {name}" for name, count in each.most.items()) or "nothing found"
            console.show(f"{each.film}: {each.frames} frames, {each.seconds:.1f} seconds; on one frame at most: {most}")
            console.say(f"film in {each.file}" + (f", a line a frame in {each.lines}" if each.lines else ""))

    console.result({"films": [each.facts() for each in done]}, tell)
    return 130 if done[-1].stopped else 0
