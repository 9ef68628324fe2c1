"""The builder of the embedded suite: resuming, the pretraining corpus, and readers of formats."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors.numpy import load_file

from mergebench.provenance.suite.build_cache import built_corpus, built_task
from mergebench.provenance.suite.corpus import Corpus
from mergebench.provenance.suite.images import pad_to_side
from mergebench.provenance.suite.packages import Package, PackageCache
from mergebench.provenance.suite.pretraining import write_pretraining
from mergebench.provenance.suite.task_images import SPLITS, LabelledImages, Source, TaskImages
from mergebench.suites.idx import read_idx


def drawn_task(generator: np.random.Generator) -> TaskImages:
    splits = {
        name: LabelledImages(
            images=generator.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8),
            labels=np.array([0, 1, 0, 1], dtype=np.int64),
        )
        for name in SPLITS
    }
    package = Package(registry="npm", name="p", version="1", sha256="")
    return TaskImages(
        name="drawn",
        classes=("cat", "dog"),
        templates=("a photo of {}", "{}"),
        sources=(Source.of(package, licence="MIT", what="all"),),
        note="drawn",
        rendered=True,
        splits=splits,
    )


def test_finished_task_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    module = ModuleType("mergebench.provenance.suite.drawn")

    def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
        calls.append(packages)
        return drawn_task(generator)

    monkeypatch.setattr(module, "build", build, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    packages = PackageCache(tmp_path)
    first, second = (built_task("drawn", packages, tmp_path) for _ in range(2))
    assert len(calls) == 1
    assert first.sources == second.sources
    assert (first.classes, first.templates) == (second.classes, second.templates)
    for name in SPLITS:
        assert np.array_equal(first.splits[name].images, second.splits[name].images)
        assert np.array_equal(first.splits[name].labels, second.splits[name].labels)


def test_finished_corpus_is_not_built_again(tmp_path: Path) -> None:
    calls = []

    def build(packages: PackageCache) -> Corpus:
        calls.append(packages)
        images = np.arange(2 * 4 * 40 * 40).reshape(2, 4, 40, 40).astype(np.uint8)
        package = Package(registry="npm", name="p", version="1", sha256="")
        source = Source.of(package, licence="MIT", what="all")
        return Corpus(images=images, captions=("sun", "moon"), sources=(source,))

    packages = PackageCache(tmp_path)
    first, second = (built_corpus("pictures", build, packages, tmp_path) for _ in range(2))
    assert len(calls) == 1
    assert (first.captions, first.sources) == (second.captions, second.sources)
    assert np.array_equal(first.images, second.images)


def test_pretraining_holds_pictures_then_stickers_then_captioned_images(tmp_path: Path) -> None:
    task = drawn_task(np.random.default_rng(0))
    blank = np.zeros((3, 4, 40, 40), dtype=np.uint8)
    general = Corpus(images=blank, captions=("sun", "moon", "sun"), sources=())
    stickers = Corpus(images=blank[:1] + 9, captions=("letter a",), sources=())
    write_pretraining(tmp_path, general, stickers, [task])
    images = load_file(tmp_path / "pretraining.safetensors")["images"]
    described = json.loads((tmp_path / "pretraining.json").read_text(encoding="utf-8"))
    assert images.shape == (8, 4, 40, 40)
    assert (images[:3] == 0).all()
    assert (images[3] == 9).all()
    assert described["captions"] == ["sun", "moon", "sun", "letter a", "cat", "dog", "cat", "dog"]
    assert described["source"] == ["general"] * 3 + ["sticker"] + ["drawn"] * 4
    middle = images[4:, :3, 4:36, 4:36].transpose(0, 2, 3, 1)
    assert np.array_equal(middle, task.splits["captioned"].images)
    assert (images[4:, 3] == 255).all()
    assert np.array_equal(images[4:, :, 0], images[4:, :, 4])


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_file_is_read_in_its_own_shape(tmp_path: Path, compress) -> None:  # type: ignore[no-untyped-def]
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    header = bytes([0, 0, 8, 3]) + np.array(values.shape, dtype=">u4").tobytes()
    (tmp_path / "file").write_bytes(compress(header + values.tobytes()))
    assert np.array_equal(read_idx(tmp_path / "file"), values)


def test_file_that_is_not_idx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"GIF89a..")
    with pytest.raises(ValueError, match="file: not an IDX file"):
        read_idx(tmp_path / "file")


def test_padding_centres_the_image() -> None:
    image = np.full((1, 28, 28, 3), 7, dtype=np.uint8)
    padded = pad_to_side(image)
    assert padded.shape == (1, 32, 32, 3)
    assert np.array_equal(padded[:, 2:30, 2:30], image)
    assert padded.sum() == image.sum()
