"""maskwright models: the networks, the models that came with the package, the weights one can download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.cli.lines import line_width, wrapped
from maskwright.cli.listing import listing
from maskwright.weights.card import HASH_LENGTH

PAGE = "MODEL_CARD.md"
TITLES = {
    "use": "Bundled models: maskwright predict NAME IMAGES",
    "training": "Bundled as a start, no detector: maskwright train DATA --weights NAME",
}
SHOWN = 12  # classes that the list names; `--card` names all


@click.command(options_metavar="[options]")
@click.option("--card", metavar="NAME", help="All about one model: a bundled one, or a run's folder.")
@options.console
def command(card: str | None, console: Console) -> None:
    """The networks one can train, the models that came with the package, the weights one can download.

    \b
      maskwright models
      maskwright models --card balloons
    """
    if card is not None:
        return _card(card, console)
    from maskwright.api import models

    networks, bundled, weights = models.networks(), models.bundled(), models.weights_to_fetch()

    def tell() -> None:
        for purpose, title in TITLES.items():
            rows = [
                [item["name"], item.get("model"), item["megabytes"], _about(item)]
                for item in bundled
                if item["for"] == purpose
            ]
            if rows:
                listing(console, ["model", "network", "MB", "classes, metrics, license"], rows, title)
                console.show()
        if not bundled:
            console.show("No model came with this copy of the package.\n")
        _show_networks(networks, console)
        show_weights(weights, console)

    console.result({"networks": networks, "bundled": bundled, "weights": weights}, tell)
    return None


def _show_networks(networks: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Those of other packages, whose names are long, in a line of their own."""
    external = [network["name"] for network in networks if ":" in network["name"]]
    rows = [
        [network["name"], network["task"], network["size"], _what_it_is(network)]
        for network in networks
        if network["name"] not in external
    ]
    listing(console, ["model", "task", "px", "what it is"], rows, "Networks: maskwright train DATA --model NAME")
    if external:
        console.show()
        for line in wrapped("With the package torchvision also: " + ", ".join(external), line_width()):
            console.show(line)
    console.show()


def _what_it_is(network: Mapping[str, Any]) -> str:
    parts = [network["about"]]
    if len(network["backbones"]) > 1:
        parts.append("backbones: " + ", ".join(network["backbones"]))
    return "\n".join([*parts, "starts from: " + ", ".join(network["weights"])])


def _about(model: Mapping[str, Any]) -> str:
    if "fault" in model:
        return f"{model['fault']}\nmaskwright doctor says more"
    metrics = "\n".join(f"{split}: {measured(values)}" for split, values in model["metrics"].items())
    classes = ", ".join(model["classes"][:SHOWN]) + ("" if len(model["classes"]) <= SHOWN else ", ...")
    counted = f"{classes} ({len(model['classes'])} in all)" if len(model["classes"]) > SHOWN else classes
    return "\n".join(line for line in (counted, metrics, model["license"]) if line)


def show_weights(weights: list[dict[str, Any]], console: Console) -> None:
    from maskwright.fetch import cache_folder

    title = "Weights: maskwright download WEIGHTS FOR (of coco also: predict FOR IMAGES)"
    rows = [
        [weight["weights"], weight["model"], weight["megabytes"], "yes" if weight["cached"] else "no",
         f"{weight['holds']}\n{weight['license']}"]
        for weight in weights
    ]  # fmt: skip
    listing(console, ["weights", "for", "MB", "here", "what they hold, license"], rows, title)
    console.show()
    console.show(f"By hand: save these files in {cache_folder() / 'weights'}")
    for weight in weights:
        console.show(f"  {weight['address']}")


# --- one model ----------------------------------------------------------------------------------
def _card(name: str, console: Console) -> None:
    import msgspec

    from maskwright.weights.card import read_card
    from maskwright.weights.sources import model_folder

    folder = model_folder(name)
    if folder.suffix == ".pth":
        from maskwright.models.published import card_of as read_card
    facts = msgspec.to_builtins(read_card(folder))
    page = _page(folder)

    def tell() -> None:
        rows = [[key, value] for key, value in flat(_counted(facts)) if value not in (None, "")]
        listing(console, ["field", name], rows)
        console.show()
        console.show(str(folder))
        if page:
            console.show()
        for line in paragraphs(page or ""):
            for part in [line] if line.startswith("|") else wrapped(line, line_width()):
                console.show(part)

    console.result({"folder": folder, "card": facts, "page": page}, tell)


def _counted(facts: Mapping[str, Any]) -> dict[str, Any]:
    """How many images, instead of all their hashes."""
    fields = ("training_images", "validation_images")
    return {key: len(value) // HASH_LENGTH or "" if key in fields else value for key, value in facts.items()}


def _page(folder: Path) -> str | None:
    """The page about a model that people wrote; None where there is none."""
    try:
        return (folder / PAGE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def paragraphs(page: str) -> list[str]:
    """The lines of a page of Markdown, those of a paragraph (or of an item of a list) joined: they are broken again to
    fit.

    >>> paragraphs("# balloons\n\nA network\nfor balloons.\n- one\n  item")
    ['# balloons', '', 'A network for balloons.', '- one item']
    """
    joined: list[str] = []
    for line in page.splitlines():
        begins = not line.strip() or line.startswith(("#", "|", "- ", "* ", ">", "```", "    "))
        if begins or not joined or not joined[-1] or joined[-1].startswith(("#", "|", "```")):
            joined.append(line)
        else:
            joined[-1] += " " + line.strip()
    return joined


def measured(metrics: Mapping[str, Any]) -> str:
    """The metrics of a card, each with its interval behind it.

    >>> measured({"images": 13, "mask_AP": 0.5631, "mask_AP_interval": (0.43, 0.7)})
    '13 images, mask AP 0.563 (0.43 to 0.70)'
    """
    parts = []
    for key, value in metrics.items():
        if key.endswith("_interval") or value is None:
            continue
        interval = metrics.get(f"{key}_interval")
        name = key.replace("_", " ")
        text = f"{value} {name}" if isinstance(value, int) else f"{name} {_number(value)}"
        parts.append(text + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""))
    return ", ".join(parts)


def flat(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str | None]]:
    """Nested facts, one after the other, as words.

    >>> list(flat({"validation": {"mask_AP": 0.7314, "epoch": 9}}))
    [('validation mask AP', '0.731'), ('validation epoch', '9')]
    """
    for key, value in facts.items():
        name = f"{before}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name} ")
        elif isinstance(value, (list, tuple)) and any(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value, 1):
                yield from flat(item, f"{name} {number} ")
        elif isinstance(value, (list, tuple)):
            yield name, ", ".join(_number(item) for item in value)
        else:
            yield name, None if value is None else _number(value)


def _number(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
