"""text8: the verbs data check and data fetch."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import huggingface_hub
import pytest
from text8_data import COMMIT, files_of, snapshot, write_json_lines, write_parquet

from mergebench import cli
from mergebench.suites.text8 import task_rows

SIZES = {"train": 60, "test": 24}


@pytest.fixture
def words(options) -> list[str]:
    """Where the miniature of trec lies."""
    write_json_lines(options.data_root / "trec", files_of("trec", SIZES))
    return ["--suite", "text8", "--data-root", str(options.data_root), "--partial"]


@pytest.fixture
def hub(monkeypatch, hub_cache):
    """A hub: `content` has names of files and what a download writes, by repository."""
    downloaded: list[tuple[str, list[str]]] = []
    content: dict[str, tuple[list[str], object]] = {}

    def about(self, repository, *, revision, timeout):
        names = content[repository][0] if repository in content else []
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])

    true_download = huggingface_hub.snapshot_download

    def download(repository, **arguments):
        if arguments.get("local_files_only"):
            return true_download(repository, **arguments)
        downloaded.append((repository, sorted(arguments["allow_patterns"])))
        return content[repository][1]()

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", about)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return SimpleNamespace(content=content, downloaded=downloaded)


def test_check_lists_what_is_there_and_what_is_missing(capsys, words):
    assert cli.main(["data", "check", "trec", *words]) == 0
    shown = capsys.readouterr()
    assert "48/12/24" in shown.out
    assert shown.err == ""
    assert cli.main(["data", "check", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7
    assert lines[0].startswith(
        "missing banking77: not found (1.1 MB): `mergebench data fetch --suite text8 banking77`, or"
    )


def test_the_suite_is_listed_with_the_most_texts_that_it_uses(capsys):
    assert cli.main(["list", "suites"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "text8" in line]
    assert [line[3] for line in lines] == [row.name for row in task_rows()]
    emotion = [word for word in lines[6] if word.isdigit()]
    assert emotion == ["4", "3257", "374", "400"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--resolution", "64"], "--resolution: no texts are decoded; leave it out"),
        (["--hashes"], "--hashes: no texts are decoded; leave it out"),
        (["--cache", "decoded"], "--cache: no texts are decoded; leave it out"),
    ],
)
def test_options_of_images_are_refused(capsys, words, option, message):
    assert cli.main(["data", "check", "trec", *words, *option]) == 2
    assert capsys.readouterr().err == f"mergebench: {message}\n"


def test_fetch_stops_at_once_when_offline(monkeypatch, capsys, words):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert cli.main(["data", "fetch", *words]) == 2
    assert capsys.readouterr().err.count("\nmissing ") == 7


def test_fetch_stops_when_the_hub_does_not_answer(monkeypatch, capsys, words):
    def refused(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", refused)
    assert cli.main(["data", "fetch", "sst2", "subj", *words]) == 2
    shown = capsys.readouterr().err
    assert "no download: SetFit/sst2: no route to host" in shown
    assert shown.count("\nmissing ") == 2


def test_fetch_downloads_the_wanted_files_of_the_hub(capsys, words, hub, hub_cache):
    copy = task_rows(["sst2"])[0].hub[0]
    files = files_of("sst2", {"train": 60, "dev": 12, "test": 24})

    def write():
        write_json_lines(snapshot(hub_cache, copy), files, label="label_text")

    names = ["README.md", "train.jsonl", "dev.jsonl", "test.jsonl", "extra.jsonl"]
    hub.content[copy.repository] = (names, write)
    assert cli.main(["data", "fetch", "sst2", *words]) == 0
    assert hub.downloaded == [("SetFit/sst2", ["dev.jsonl", "test.jsonl", "train.jsonl"])]
    stated = f"sst2: JSON lines of SetFit/sst2@{COMMIT[:12]} (partial) in {hub_cache}"
    assert capsys.readouterr().out.startswith(stated)


def test_fetch_goes_on_to_the_next_repository(capsys, words, hub, hub_cache):
    copy = task_rows(["snips"])[0].hub[1]
    files = files_of("snips", {"train": 70, "test": 28})

    def write():
        write_parquet(snapshot(hub_cache, copy) / "data", files, label="category")

    names = [f"data/{split}-00000-of-00001.parquet" for split in ("train", "test")]
    hub.content[copy.repository] = (names, write)
    assert cli.main(["data", "fetch", "snips", *words]) == 0
    assert capsys.readouterr().out.startswith("snips: Parquet of benayas/snips@")


def test_fetch_says_why_a_download_cannot_be_used(capsys, words, hub, hub_cache):
    copy = task_rows(["subj"])[0].hub[0]
    files = files_of("subj", {"train": 60, "test": 20})

    def write():
        write_json_lines(snapshot(hub_cache, copy), files, label="kind")

    hub.content[copy.repository] = (["train.jsonl", "test.jsonl"], write)
    assert cli.main(["data", "fetch", "subj", *words]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("missing subj: ")
    assert "test.jsonl, line 1: has 'text', 'kind'; expected 'text' and" in shown
    assert cli.main(["data", "fetch", "emotion", *words]) == 2
    assert "cardiffnlp/tweet_eval has no JSON lines or Parquet files of train" in (
        capsys.readouterr().err
    )


def test_what_is_missing_is_said_without_heavy_imports(tmp_path):
    code = (
        "import json, sys; from mergebench.cli import main; status = main(sys.argv[1:]);"
        "print('\\n' + json.dumps([status, *(n for n in sys.modules if '.' not in n)]))"
    )
    command = ["data", "check", "--suite", "text8", "--data-root", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    status, *loaded = json.loads(done.stdout.splitlines()[-1])
    assert status == 2
    assert {"torch", "numpy", "pyarrow", "pandas"}.isdisjoint(loaded)
