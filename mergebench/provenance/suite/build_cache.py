"""Built tasks and corpora on disk, so that an interrupted build goes on where it stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mergebench.provenance.suite.corpus import Corpus
from mergebench.provenance.suite.packages import PackageCache
from mergebench.provenance.suite.task_images import SPLITS, LabelledImages, Source, TaskImages

#: Seeds of the rendered tasks, whose splits are disjoint by fonts and vendors whatever the seed.
_RENDERED_SEED = 0
_RENDERED = ("flags", "letters", "chess", "kana")
#: Seed of the other tasks, beside their names. Another seed would deal images that the committed
#: checkpoints were pretrained on to the splits that they are measured on.
_SEED = 8


def built_task(name: str, packages: PackageCache, cache: Path) -> TaskImages:
    """Return the task that the module `name` of this package builds, from `cache` if it is there.

    The cache is keyed by the source text of the whole builder: an edit builds again.
    """
    path = _path(name, cache)
    if path.exists():
        return _load_task(path)
    module = importlib.import_module(f"mergebench.provenance.suite.{name}")
    seed = [_RENDERED_SEED] if name in _RENDERED else [_SEED, *name.encode()]
    task: TaskImages = module.build(packages, np.random.default_rng(seed))
    _save_task(task, path)
    return task


def built_corpus(
    name: str, build: Callable[[PackageCache], Corpus], packages: PackageCache, cache: Path
) -> Corpus:
    """Return the corpus that `build` draws, from `cache` if it is there under this name and key."""
    path = _path(name, cache)
    if path.exists():
        return _load_corpus(path)
    corpus = build(packages)
    described = {
        "captions": corpus.captions,
        "sources": [dataclasses.asdict(source) for source in corpus.sources],
    }
    _save(path, described, {"images": corpus.images})
    return corpus


def _path(name: str, cache: Path) -> Path:
    return cache / f"{name}-{_builder_sha256()[:16]}.npz"


def _builder_sha256() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in {".py", ".txt"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _save_task(task: TaskImages, path: Path) -> None:
    described = {
        field.name: getattr(task, field.name)
        for field in dataclasses.fields(task)
        if field.name != "splits"
    }
    described["sources"] = [dataclasses.asdict(source) for source in task.sources]
    arrays: dict[str, Any] = {}
    for name in SPLITS:
        arrays[f"{name}.images"] = task.splits[name].images
        arrays[f"{name}.labels"] = task.splits[name].labels
    _save(path, described, arrays)


def _save(path: Path, described: dict[str, Any], arrays: dict[str, Any]) -> None:
    # Written beside and renamed: a file of this name is always complete.
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez(unfinished, described=np.array(json.dumps(described)), **arrays)
    unfinished.rename(path)


def _load_corpus(path: Path) -> Corpus:
    with np.load(path) as arrays:
        described: dict[str, Any] = json.loads(str(arrays["described"]))
        return Corpus(
            images=arrays["images"],
            captions=tuple(described["captions"]),
            sources=tuple(Source(**source) for source in described["sources"]),
        )


def _load_task(path: Path) -> TaskImages:
    with np.load(path) as arrays:
        described: dict[str, Any] = json.loads(str(arrays["described"]))
        splits = {
            name: LabelledImages(images=arrays[f"{name}.images"], labels=arrays[f"{name}.labels"])
            for name in SPLITS
        }
    return TaskImages(
        name=described["name"],
        classes=tuple(described["classes"]),
        templates=tuple(described["templates"]),
        sources=tuple(Source(**source) for source in described["sources"]),
        note=described["note"],
        rendered=described["rendered"],
        splits=splits,
    )
