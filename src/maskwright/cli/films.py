"""Films named where photos are: looked at frame by frame, one new film each."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskwright.cli.console import Console
from maskwright.errors import MaskwrightError, OutputError, RecipeError
from maskwright.video.read import is_film


def films_among(sources: Sequence[str], unfit: Sequence[str] = ()) -> list[str]:
    """The sources if they are films, patterns spelled out; [] if they are photos. Films and photos together are
    refused, and options that films do not have.

    unfit  options that were given and that no film has
    """
    films = [source for source in sources if is_film(source)]
    if not films:
        return []
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
    return [each for film in films for each in ([] if Path(film).exists() else sorted(glob.glob(film))) or [film]]  # noqa: PTH207 (as for photos)


def look_at(model: str, films: Sequence[str], out: Path, console: Console, loading: dict, **settings: Any) -> int:
    """One after the other; a film that cannot be read is named, and the others go on.

    loading  for `load`, settings for `film`
    """
    from maskwright.jobs.film import film, targets
    from maskwright.prediction.predictor import load

    files = targets(films, out)
    find = load(model, progress=console.progress, **loading)
    done, failed = [], []
    for each, file in zip(films, files, strict=True):
        try:
            done.append(film(find, each, out=file, progress=console.progress, say=console.say, **settings))
        except MaskwrightError as error:
            if len(films) == 1:
                raise
            failed.append(error)

    def tell() -> None:
        for each in done:
            most = ", ".join(f"{count} {name}" for name, count in each.most.items()) or "nothing found"
            console.show(f"{each.film}: {each.frames} frames, {each.seconds:.1f} seconds; on one frame at most: {most}")
            console.say(f"film in {each.file}" + (f", a line a frame in {each.lines}" if each.lines else ""))

    told = {"films": [each.facts() for each in done], "failed": [error.facts() for error in failed]}
    console.result(told, tell)
    for error in failed:
        console.say(error)
    return 1 if failed else 0
