"""Evaluate: a model against annotated images, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from maskwright import formats
from maskwright.api import classification_evaluation, detection_evaluation
from maskwright.api.data import Say, data_name, image_level_labels, relative, same_spelling
from maskwright.errors import DatasetError, RecipeError
from maskwright.evaluation.class_thresholds import DetectionCounts, count_detections
from maskwright.evaluation.classification_metrics import ClassificationMetrics
from maskwright.evaluation.comparing import McNemar
from maskwright.evaluation.detection_metrics import DetectionMetrics
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Classifier, Predictor, load, load_unless_loaded
from maskwright.prediction.thresholds import Threshold, issues
from maskwright.progress import Progress, silent
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset
from maskwright.weights.card import Card, read_card
from maskwright.weights.image_hashes import image_hash, unpack
from maskwright.weights.sources import model_folder

Figured = TypeVar("Figured", DetectionMetrics, ClassificationMetrics)


@dataclass(frozen=True)
class Evaluated(Generic[Figured]):
    """metrics (see evaluation.metrics; of a classifier, evaluation.image_labels_metrics), the images they are about,
    and what was found on each.

    model    what it is called on its page
    thresholds  of the model as it is used; an object detector's AP counts objects of every score
    shown    of a detector: right and false positives and misses at those thresholds
    card     of a classifier: the operating points and the temperature that these metrics were taken at
    against  another classifier on the same images
    doubts   what else the metrics cannot say
    """

    metrics: Figured
    data: Dataset
    detections: list[Any]
    which: str
    trained: int = 0
    chose: int = 0
    against: McNemar | None = None
    doubts: tuple[str, ...] = ()
    card: Card | None = None
    thresholds: tuple[Threshold, ...] = ()
    shown: DetectionCounts | None = None
    model: str = ""

    def facts(self) -> dict[str, Any]:
        seen = {"trained_on": self.trained, "chose_the_epoch": self.chose}
        used = {} if self.card is None else classification_evaluation.in_use(self.card)
        compared = {} if self.against is None else {"against": self.against.facts()}
        told = [threshold.facts() for threshold in self.thresholds]
        return {
            "model": self.model,
            "data": self.data.name,
            "split": self.which,
            "images_seen": seen,
            "thresholds": told,
            **({} if self.shown is None else {"shown": self.shown.facts()}),
            **used,
            **self.metrics.facts(),
            **compared,
        }

    @property
    def warnings(self) -> list[str]:
        """What the metrics cannot say, one sentence each."""
        told = _doubts(self.trained, self.chose, len(self.data), "this model")
        if self.chose and self.card is not None and self.card.operating_points:
            told.append("such images chose the operating point too: what it does here, it was chosen for")
        return [*told, *self.doubts]


def _doubts(trained: int, chose: int, images: int, model: str) -> list[str]:
    told, whose = [], "" if model == "this model" else f" in {model}"
    if trained:
        told.append(f"{trained} of these {images} images were used to train {model}: the metrics measure memorization")
    if chose:
        told.append(
            f"{chose} of these {images} images chose the epoch that was kept{whose}: the metrics are optimistic; "
            "evaluate by images that nobody looked at (a test folder), or by `maskwright cross-validate`"
        )
    return told


def evaluate(
    model: str | Path | Predictor,
    data: str | Path | Dataset,
    *,
    split: str | None = None,
    against: str | Path | Predictor | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    out: str | Path | None = None,
    allow_faulty: bool = False,
    class_attribute: str | None = None,
    connected_components: bool = False,
    annotations: str | None = None,
    follow_links: bool = False,
    options: InferenceOptions = AS_TRAINED,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Evaluated[Any]:
    """Evaluate a model by COCO's metrics, each with a 95 % interval over images; a classifier by accuracy, AUC and
    more.

    split  which part of the data: test where there is one, else val, else what the run held back, else everything
    against  another classifier: McNemar's test says whether one is better on these images
    out    a folder for evaluation.json, evaluation.html and coco_results.json (with the data's own COCO ids where they
           have some; else with coco_images.json, which says what the numbers mean)

    >>> maskwright.evaluate("runs/party", "party/").metrics.mask.AP50
    0.71
    >>> maskwright.evaluate("runs/rust", "rust/").metrics.accuracy
    0.97
    """
    whole = (
        data
        if isinstance(data, Dataset)
        else formats.read(
            data,
            allow_faulty=allow_faulty,
            class_attribute=class_attribute,
            connected_components=connected_components,
            annotations=annotations,
            follow_links=follow_links,
        )
    )
    find = load_unless_loaded(model, options, progress)
    if isinstance(find, Classifier):
        whole = image_level_labels(whole)
    part, which = _part(whole, split, model, data)
    part = part.usable()
    if not len(part):
        raise DatasetError(
            "there is nothing to evaluate the model by",
            file=data_name(data),
            expected="labeled images",
            got=f"0 in {which}",
        )
    say(f"evaluating on {len(part)} images ({which})")
    if not set(find.card.classes) & set(part.names):
        raise DatasetError(
            "the model knows none of the classes in these data",
            file=data_name(data),
            expected=", ".join(find.card.classes),
            got=", ".join(part.names) or "no class: nothing is drawn on these images",
        )
    if not allow_faulty:
        same_spelling(find.card.classes, part, data)
    other = None if against is None else _other(find, against, options)
    for issue in issues(find.thresholds):
        say(str(issue) if isinstance(find, Classifier) else f"{issue} (AP counts every score)")
    label = _label(model, find.card.model)
    if isinstance(find, Classifier):
        predictions = classification_evaluation.evaluate(find, part, bootstrap, seed, progress)
        part = predictions.data
        compared, doubts = None, predictions.warnings
        if other is not None:
            labels = _label(model, "the first"), _label(against, "the second")
            compared = classification_evaluation.compared(predictions.metrics, other, part, labels, progress)
            doubts += tuple(_doubts(*seen(part, against), len(part), labels[1]))
        trained, chose = seen(part, model)
        told: Evaluated[Any] = Evaluated(
            predictions.metrics,
            part,
            predictions.detections,
            which,
            trained,
            chose,
            against=compared,
            doubts=doubts,
            card=find.card,
            thresholds=find.thresholds,
            model=label,
        )
        if out is not None:
            classification_evaluation.write(
                predictions.metrics, told.facts(), part, Path(out), find, told.warnings, compared
            )
    else:
        objects = detection_evaluation.evaluate(find, part, bootstrap, seed, progress, say)
        trained, chose = seen(objects.data, model)
        told = Evaluated(
            objects.metrics,
            objects.data,
            objects.detections,
            which,
            trained,
            chose,
            doubts=(*objects.warnings, *detection_evaluation.doubts(objects.data)),
            shown=None if (kind := objects.metrics.best_kind) is None else count_detections(kind.matches, find.limits),
            thresholds=find.thresholds,
            model=label,
        )
        if out is not None:
            detection_evaluation.write(objects, told.facts(), Path(out), find, which, told.warnings)
    for warning in told.warnings:
        say(warning)
    return told


def _other(find: Predictor, against: str | Path | Predictor, options: InferenceOptions) -> Classifier:
    """The model to compare with: only classifiers are, image by image."""
    where = InferenceOptions(device=options.device, precision=options.precision)
    other = against if isinstance(against, Predictor) else load(against, where)
    for which, item in (("MODEL", find), ("against", other)):
        if not isinstance(item, Classifier):
            raise RecipeError(
                "two models are compared only where both say what whole images show",
                field=which,
                expected="classify",
                got=item.card.task,
                fix="evaluate both, and compare their AP by the intervals",
            )
    assert isinstance(other, Classifier)
    return other


def _label(model: str | Path | Predictor | None, otherwise: str) -> str:
    return str(model) if isinstance(model, (str, Path)) else otherwise


def _part(whole: Dataset, split: str | None, model: object, data: object) -> tuple[Dataset, str]:
    parts = whole.splits()
    if split is not None and split != "all":
        held = held_back(whole, model, data, split) if split in ("val", "test") and split not in parts else None
        if held is not None:
            return held, f"held back by the run ({split})"
        if split not in parts:
            raise DatasetError(
                f"these data have no {split} images",
                file=whole.name,
                expected=split,
                got=", ".join(parts) or "no splits",
            )
        return parts[split], split
    if split == "all":
        return whole, "all"
    for name in ("test", "val"):
        if name in parts:
            return parts[name], name
    held = held_back(whole, model, data, "test", "val")
    return (held, "held back by the run") if held else (whole, "all")


def held_back(whole: Dataset, model: object, data: object, *parts: str) -> Dataset | None:
    """The images that the model's own run put into the first of these parts that it had, where it ran on these very
    data: it did not learn from them."""
    facts = _facts(model)
    if not isinstance(data, (str, Path)) or facts is None or facts["data"] != str(Path(data).resolve()):
        return None
    held = next((set(names) for part in parts if (names := facts["images"].get(part))), set())
    return whole.where(lambda record: relative(record.image, Path(data)) in held) if held else None


def _facts(model: object) -> dict[str, Any] | None:
    """run.json of the run that made the model; None where it is no run's, or its data were in memory."""
    if not isinstance(model, (str, Path)):
        return None
    run = RunFolder(model_folder(model).parent)
    facts = run.facts() if (run.path / "run.json").is_file() else {"data": None}
    return facts if facts["data"] else None


def seen(part: Dataset, model: object) -> tuple[int, int]:
    """How many of these images the model was trained on, and how many chose its best epoch: by the files that its own
    run names, and by the hashes in its card, which know an image in any folder and under any name."""
    card = model.card if isinstance(model, Predictor) else _card(model)
    trained, chose = (
        {*files, *unpack(hashes)}
        for files, hashes in zip(
            _files_of_run(model),
            ("", "") if card is None else (card.training_images, card.validation_images),
            strict=True,
        )
    )
    hashed = card is not None and (card.training_images or card.validation_images)
    images = [{file, image_hash(file)} if hashed else {file} for file in (record.image.resolve() for record in part)]
    return sum(bool(image & trained) for image in images), sum(bool(image & chose) for image in images)


def _card(model: object) -> Card | None:
    folder = model_folder(str(model)) if isinstance(model, (str, Path)) else None
    return read_card(folder) if folder is not None and folder.is_dir() else None


def _files_of_run(model: object) -> tuple[set[Path], set[Path]]:
    """The images that the model's own run names: those it trained on, and those that chose its best epoch."""
    facts = _facts(model)
    if facts is None:
        return set(), set()
    root = Path(facts["data"])
    root = root.parent if root.is_file() else root
    seen = {which: {(root / name).resolve() for name in names} for which, names in facts["images"].items()}
    best = model_folder(str(model)).name == "best"
    return seen.get("train", set()), seen.get("val", set()) if best else set()
