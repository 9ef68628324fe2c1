"""vision8: the verbs data check and data fetch."""

from __future__ import annotations

import socket
from dataclasses import replace
from types import SimpleNamespace

import huggingface_hub
import pytest
from vision8_data import (
    pictures,
    write_archive,
    write_hub_cache,
    write_image_folders,
    write_parquet,
)
from vision8_loading import SIDE, entry_folder, load_one

from mergebench import cli
from mergebench.errors import InputError
from mergebench.suites import SuiteOptions
from mergebench.suites.vision8 import fetching, survey, task_rows


@pytest.fixture
def options(options) -> SuiteOptions:
    """Options under which MNIST is there: 21 training and 15 test images."""
    write_archive(options.data_root, "mnist", pictures("mnist", {"train": 21, "test": 15}))
    return options


@pytest.fixture
def words(options) -> list[str]:
    return ["--data-root", str(options.data_root), "--cache", str(options.cache), "--partial"]


@pytest.fixture
def _no_network(monkeypatch) -> None:
    def refused(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.mark.usefixtures("_no_network")
def test_check_lists_what_is_there_and_what_is_missing(capsys, words):
    assert cli.main(["data", "check", "mnist", *words]) == 0
    shown = capsys.readouterr()
    assert "21/3/12" in shown.out
    assert shown.err == ""
    assert cli.main(["data", "check", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7
    assert lines[1].startswith("missing dtd: not found (0.62 GB): `mergebench data fetch dtd`, or")


@pytest.mark.usefixtures("_no_network")
def test_check_verifies_every_decoded_image(capsys, options, words):
    load_one(options)
    command = ["data", "check", "mnist", *words, "--resolution", str(SIDE), "--hashes"]
    assert cli.main(command) == 0
    file = entry_folder(options) / "train.pixels"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert cli.main(command) == 2
    assert "train.pixels: damaged" in capsys.readouterr().err


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("form", ["folders", "parquet"])
def test_check_decodes_what_is_not_decoded_yet(capsys, options, words, form):
    splits = pictures("dtd", {"train": 9, "val": 6, "test": 10})
    for place, content in ((0, b"nothing"), (4, splits["val"][4].content[:400]), (5, b"")):
        splits["val"][place] = replace(splits["val"][place], content=content)
    command = ["data", "check", "dtd", "mnist", *words, "--hashes"]
    if form == "folders":
        write_image_folders(options.data_root, "dtd", splits)
        named = ["00000.jpg (no image)", "00004.jpg (", "00005.jpg (no image)"]
    else:
        write_parquet(options.data_root / "dtd", "dtd", splits)
        named = ["parquet, row 0 (no image)", "parquet, row 4 (", "parquet, row 5 (no image)"]
    assert cli.main(command[:-1]) == 0
    capsys.readouterr()
    assert cli.main(command) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "dtd: 3 of 25 images cannot be decoded: " in line
    assert all(name in line for name in named)
    assert not options.cache.exists()


def test_check_of_a_damaged_file_of_images_stops_at_once(options):
    write_parquet(
        options.data_root / "dtd", "dtd", pictures("dtd", {"train": 9, "val": 6, "test": 10})
    )
    state = survey(task_rows(["dtd"])[0], options)
    file = options.data_root / "dtd" / "validation-00000-of-00001.parquet"
    content = bytearray(file.read_bytes())
    content[4:60] = bytes(56)
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{file}: cannot be read as Parquet"):
        state.verify()


@pytest.mark.usefixtures("_no_network")
def test_fetch_stops_at_once_when_offline(monkeypatch, capsys, words):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert cli.main(["data", "fetch", *words]) == 2
    assert capsys.readouterr().err.count("\nmissing ") == 7


def test_fetch_stops_when_the_hub_does_not_answer(monkeypatch, capsys, words):
    def refused(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", refused)
    assert cli.main(["data", "fetch", "dtd", "svhn", *words]) == 2
    shown = capsys.readouterr().err
    assert "no download: tanganke/dtd: no route to host" in shown
    assert shown.count("\nmissing ") == 2


def test_fetch_downloads_the_wanted_files_of_the_hub(
    monkeypatch, capsys, options, words, hub_cache
):
    names = ["README.md", "data/validation-00000-of-00001.parquet"]
    names += [f"data/{split}-00000-of-00001.parquet" for split in ("train", "test", "contrast")]
    about = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *a, **o: about)
    true_download, asked = huggingface_hub.snapshot_download, []

    def download(repository, **arguments):
        if arguments.get("local_files_only"):
            return true_download(repository, **arguments)
        asked.extend(arguments["allow_patterns"])
        splits = pictures("resisc45", {"train": 6, "val": 3, "test": 4})
        return write_hub_cache(hub_cache, "resisc45", splits)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert cli.main(["data", "fetch", "resisc45", *words]) == 0
    assert sorted(asked) == sorted(name for name in names if "contrast" not in name)[1:]
    assert "resisc45: Parquet of timm/resisc45@" in capsys.readouterr().out
    assert survey(task_rows(["resisc45"])[0], options).sizes == {"train": 6, "val": 3, "test": 4}


def test_fetch_takes_the_archive_when_the_hub_lacks_a_split(monkeypatch, options, words):
    files = [f"data/{split}-00000-of-00001.parquet" for split in ("train", "test")]
    about = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in files])
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *a, **o: about)
    splits = pictures("dtd", {"train": 6, "val": 3, "test": 4})
    archives = {"dtd": lambda root: write_archive(root, "dtd", splits)}
    monkeypatch.setattr(fetching, "_ARCHIVES", archives)
    assert cli.main(["data", "fetch", "dtd", *words]) == 0
    assert survey(task_rows(["dtd"])[0], options).source.format == "original archive"


def test_local_parquet_is_complete_for_check(capsys, options, words):
    splits = pictures("resisc45", {"train": 6, "val": 3, "test": 4})
    write_parquet(options.data_root / "resisc45", "resisc45", splits)
    assert cli.main(["data", "check", "resisc45", *words]) == 0
    assert "6/3/4" in capsys.readouterr().out
