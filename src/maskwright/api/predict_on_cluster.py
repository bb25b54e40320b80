"""Predict on a Ray cluster: images are shared out to workers, results come together in shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from maskwright.api.cluster_work import Model, PredictImages
from maskwright.api.image_record import reported
from maskwright.api.jobs import model_job
from maskwright.api.many_images import PredictedMany, named, report_many
from maskwright.api.predict import check_request, listed_images
from maskwright.api.results import EACH
from maskwright.api.shards import ShardRecord, shard_record
from maskwright.cluster.cluster import Cluster
from maskwright.errors import MaskwrightError, OutputError
from maskwright.images.sources import Origin, Source
from maskwright.issues import Log
from maskwright.prediction.loading import load
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.progress import Progress
from maskwright.reporting import reporting


def predict_on_cluster(
    model: str | Path,
    sources: Origin | Sequence[Origin],
    *,
    cluster: Cluster,
    out: str | Path = "predictions",
    save: Sequence[str] = (),
    pictures: bool = False,
    classes: Sequence[str] | None = None,
    resume: bool = False,
    follow_links: bool = False,
    recursive: bool = False,
    options: InferenceOptions = AS_TRAINED,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> PredictedMany:
    """`predict_many` by the workers of a Ray cluster. Every image is in the result once, whatever nodes are lost.

    cluster  where: Cluster("local"), Cluster("10.0.0.1:6379")
    out      predictions/00000.jsonl and so on, 10,000 lines each, one an image; failed.jsonl, the errors of images that
             cannot be read; manifest.json, which says what was computed and whether it is complete
    save     parquet, beside the lines; masks and crops, which as `pictures` the workers write: `out` must be theirs too
    The others as in `predict_many`. Every node has the model, the images and maskwright under the same paths.

    >>> maskwright.predict_on_cluster("balloons", "archive/", cluster=maskwright.Cluster("local"), out="found")
    PredictedMany(100000 images; 71208 balloon)
    """
    progress, log = reporting(verbose, progress, log)
    for kind in save:
        if kind not in EACH:
            raise OutputError("this is one document of all images, which a cluster does not write",
                              field=f"--save-{kind}", expected=", ".join(EACH), got=kind)  # fmt: skip
    predictor, out = load(model, options, progress=progress), Path(out)
    check_request(predictor, save, classes, out)
    images = listed_images(sources, follow_links, recursive, [out], out if pictures else None)
    for issue in predictor.introduction():
        log(issue)
    settings = {"classes": classes, "pictures": pictures, "save": sorted({"jsonl", *save}), "recursive": recursive}
    with shard_record(out, model_job(predictor, images=named(sources), **settings), resume) as record:
        written_by_workers = [kind for kind in save if kind in ("masks", "crops")]
        model_of_workers = Model.like(predictor, options)
        work = PredictImages(model_of_workers, classes, out.absolute(), written_by_workers, pictures)
        failed = _all(cluster, work, images, record, progress, log)
        files = record.finish(failed, "parquet" in save)
    result = PredictedMany(len(record.done), dict(record.counts), failed, tuple(files))
    report_many(result, out if pictures else None, log)
    return result


def _all(
    cluster: Cluster, work: PredictImages, images: Sequence[Source], record: ShardRecord, progress: Progress, log: Log
) -> list[MaskwrightError]:
    """Predict the images that are not done; the errors of those that cannot be read."""
    todo = [_reachable(source) for source in images if source.name not in record.done]
    failed: list[MaskwrightError] = []

    def done() -> Iterator[Source]:
        for _, piece, (lines, errors) in cluster.results(work, todo, log):
            record.add(lines)
            failed.extend(errors)
            yield from piece

    with reported(record, failed, work.out, log):
        for _ in progress(done(), total=len(todo), label="predicting", unit="images"):
            pass
    return failed


def _reachable(source: Source) -> Source:
    """The same image from whatever folder a worker runs in."""
    origin = source.origin.absolute() if isinstance(source.origin, Path) else source.origin
    return replace(source, origin=origin, within=None if source.within is None else source.within.absolute())
