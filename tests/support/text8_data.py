"""Writes miniature text data sets in the formats in which the eight data sets are kept on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mergebench.suites.hub_copy import HubCopy
from mergebench.suites.text8 import prompts_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
#: File -> (text, label) pairs, a label being a class's own name.
Files = Mapping[str, Sequence[tuple[str, str]]]


def files_of(task: str, sizes: Mapping[str, int]) -> dict[str, list[tuple[str, str]]]:
    """Return texts by file, no two equal; the classes take turns."""
    labels = prompts_of(task).labels
    return {
        file: [(f"{file} text {i} of {task}", labels[i % len(labels)]) for i in range(size)]
        for file, size in sizes.items()
    }


def write_json_lines(folder: Path, files: Files, *, label: str = "label") -> None:
    """`<folder>/<file>.jsonl`, an object a line."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, pairs in files.items():
        lines = [json.dumps({"text": text, label: name}) + "\n" for text, name in pairs]
        (folder / f"{file}.jsonl").write_text("".join(lines))


def write_numbered(folder: Path, files: Files, names: Sequence[str]) -> None:
    """JSON lines whose labels are places in `names`."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, pairs in files.items():
        lines = [
            json.dumps({"text": text, "label": names.index(name)}) + "\n" for text, name in pairs
        ]
        (folder / f"{file}.jsonl").write_text("".join(lines))


def write_parquet(
    folder: Path,
    files: Files,
    *,
    label: str = "label",
    names: Sequence[str] | None = None,
    shards: int = 1,
) -> None:
    """Write files as the hub does: with `names` labels are numbers, named in the metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, pairs in files.items():
        for shard in range(shards):
            own = pairs[shard::shards]
            labels = [name if names is None else names.index(name) for _, name in own]
            table = pa.table({"text": [text for text, _ in own], label: labels})
            if names is not None:
                features = {label: {"names": list(names), "_type": "ClassLabel"}}
                noted = json.dumps({"info": {"features": features}})
                table = table.replace_schema_metadata({"huggingface": noted})
            pq.write_table(table, folder / f"{file}-{shard:05d}-of-{shards:05d}.parquet")


def snapshot(cache: Path, copy: HubCopy) -> Path:
    """Return the folder of a revision in a cache of the hub's client, and note the revision."""
    folder = cache / f"datasets--{copy.repository.replace('/', '--')}"
    revision = copy.revisions[0]
    commit = revision if len(revision) == len(COMMIT) else COMMIT
    if commit == COMMIT:
        (folder / "refs").mkdir(parents=True, exist_ok=True)
        (folder / "refs" / revision).write_text(commit)
    files = folder / "snapshots" / commit / copy.config
    files.mkdir(parents=True, exist_ok=True)
    return files
