"""Measurements in one file: tables come out of it without an update, and never with another one."""

from __future__ import annotations

import io
import json
import lzma
import shutil
import tarfile
from pathlib import Path

import pytest
from test_worst_case import experiment_in, measure

from mergebench.errors import InputError
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.archive import archived, pack, unpack
from mergebench.experiment.jobs import Merges
from mergebench.experiment.store import Store
from mergebench.measure import Measurements
from mergebench.progress import Silent

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def store(little_store) -> Path:
    return little_store


@pytest.fixture(scope="module")
def first(store) -> Measurements:
    return measure(store)


@pytest.fixture(scope="module")
def archive(store, first, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("results") / "measured.tar.xz"
    pack(store, "mini_vit", file)
    return file


@pytest.fixture
def emptied(archive, tmp_path) -> Path:
    """A store that has what the archive has, and so no update."""
    unpack(archive, tmp_path / "runs")
    return tmp_path / "runs"


def test_a_leaderboard_comes_out_of_an_archive(emptied, first):
    assert not list(emptied.rglob("*.safetensors"))
    assert measure(emptied) == first
    assert experiment_in(emptied).workbench().measured == 0
    assert not list(emptied.rglob("*.safetensors"))


def test_what_is_missing_is_measured_of_the_updates_trained_again(store, first, emptied):
    experiment_module._workbench.cache_clear()
    experiment = experiment_in(emptied)
    made = Merges(experiment, "trap2", "mnist", 0).cell("ties", "full")
    assert experiment.workbench().measured == 1 + 2  # the merge, and its two updates
    for file in emptied.rglob(WEIGHTS):
        assert file.read_bytes() == (store / file.relative_to(emptied)).read_bytes()
        record = file.with_name("record.json")
        assert record.read_bytes() == (store / record.relative_to(emptied)).read_bytes()
    experiment_module._workbench.cache_clear()
    assert Merges(experiment_in(store), "trap2", "mnist", 0).cell("ties", "full").key == made.key
    Store(store / "cells").path(made.key).unlink()  # the store is shared with other tests


def test_another_update_is_not_taken_for_the_one_that_was_measured(emptied, monkeypatch):
    """As on another kind of processor, which trains another one."""
    experiment_module._workbench.cache_clear()
    experiment = experiment_in(emptied)
    bench = experiment.workbench()
    released = bench._releases._released

    def another(*asked: object):
        release = released(*asked)
        return type(release)(update=release.update.scaled(1.001), record=release.record)

    monkeypatch.setattr(bench._releases, "_released", another)
    with pytest.raises(InputError, match=r"this machine trains .* measure into another store"):
        bench.release("trap2", "mnist", 0, Silent())
    assert not list(emptied.rglob("*.safetensors"))


def test_leftovers_beside_a_record_are_no_update(emptied):
    for record in emptied.rglob("record.json"):
        record.with_name(".DS_Store").write_bytes(b"")
        record.with_name(".record.json.1-0123abcd.tmp").mkdir()
    experiment_module._workbench.cache_clear()
    release = experiment_in(emptied).workbench().release("trap2", "mnist", 0, Silent())
    assert release.sha256
    assert len(list(emptied.rglob(WEIGHTS))) == 1


def test_an_archive_is_the_same_file_again(store, archive, emptied, tmp_path):
    for source in (store, emptied):
        pack(source, "mini_vit", tmp_path / "again.tar.xz")
        assert (tmp_path / "again.tar.xz").read_bytes() == archive.read_bytes()
        (tmp_path / "again.tar.xz").unlink()


def test_what_is_in_an_archive_stays_in_it(archive, emptied, tmp_path):
    one, *_, other = Store(emptied / "cells").keys()
    Store(emptied / "cells").path(one).unlink()
    file = shutil.copy(archive, tmp_path / "measured.tar.xz")
    pack(emptied, "mini_vit", Path(file))
    assert {one, other} <= archived(Path(file)).cells.keys()


def test_what_a_store_has_stays(archive, emptied):
    before = {file: file.stat().st_mtime_ns for file in emptied.rglob("*.json")}
    again = unpack(archive, emptied)
    assert (again.new, again.others) == (0, ())
    assert {file: file.stat().st_mtime_ns for file in emptied.rglob("*.json")} == before
    lost = min((emptied / "cells").iterdir())
    lost.unlink()
    assert unpack(archive, emptied).new == 1
    assert lost.exists()


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [_empty, _folder])
@pytest.mark.parametrize("name", ["cells/*.json", "releases/*/record.json"])
def test_into_a_damaged_store_nothing_is_unpacked(archive, emptied, name, damage):
    bad, lost, *_ = sorted(emptied.glob(name))
    lost.unlink()
    damage(bad)
    found = str(bad if bad.parent.name == "cells" else bad.parent)
    with pytest.raises(InputError, match=r"is damaged \(.*\): delete it to") as refusal:
        unpack(archive, emptied)
    assert str(refusal.value).startswith(found)
    assert not lost.exists()
    with pytest.raises(InputError, match=r"is damaged \(.*\): delete it to") as refusal:
        pack(emptied, "mini_vit", emptied / "again.tar.xz")
    assert str(refusal.value).startswith(found)


def test_a_record_without_a_checksum_is_of_older_code(emptied, archive):
    record = min(emptied.rglob("record.json"))
    content = json.loads(record.read_text())
    for name in ("format", "sha256", "inputs_sha256", "update_sha256"):
        del content[name]
    record.write_text(json.dumps(content))
    message = rf"^{record.parent} has a record of older code, without a checksum: run a table that"
    for use in (
        lambda: pack(emptied, "mini_vit", emptied / "again.tar.xz"),
        lambda: unpack(archive, emptied),
    ):
        with pytest.raises(InputError, match=message):
            use()


def changed(archive: Path, rename: dict[str, str], edit: dict[str, tuple[bytes, bytes]]) -> bytes:
    """Return an archive with other names and contents; a key names the first member it is in.

    `edit`: what is replaced, and by what.
    """
    plain = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=plain, mode="w") as new:
        for member in old:
            content = old.extractfile(member).read()
            for part in [part for part in edit if part in member.name]:
                content = content.replace(*edit.pop(part))
            for part in [part for part in rename if part in member.name]:
                member.name = rename.pop(part)
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return lzma.compress(plain.getvalue())


@pytest.mark.parametrize(
    ("rename", "edit", "reason"),
    [
        ({"cells/": "../cells/a.json"}, {}, "neither a cell nor a record"),
        ({"cells/": f"cells/{'0' * 64}.json"}, {}, "is another one"),
        ({"releases/": "releases/../record.json"}, {}, "neither a cell nor a record"),
        ({}, {"cells/": (b'"seed": 0', b'"seed": 1')}, "does not match its checksum"),
        ({}, {"releases/": (b'"seed": 0', b'"seed": 1')}, "does not match its checksum"),
    ],
)
def test_of_a_damaged_archive_nothing_is_unpacked(archive, tmp_path, rename, edit, reason):
    bad = tmp_path / "bad.tar.xz"
    bad.write_bytes(changed(archive, rename, edit))
    with pytest.raises(InputError, match=reason) as refusal:
        unpack(bad, tmp_path / "runs")
    assert str(bad) in str(refusal.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("member", "found", "reads"), [("cells/", 3, "cell"), ("releases/", 2, "record")]
)
def test_an_archive_of_another_version_is_said_to_be_one(archive, tmp_path, member, found, reads):
    other = tmp_path / "other.tar.xz"
    format = (f'"format": {found}'.encode(), b'"format": 7')
    other.write_bytes(changed(archive, {}, {member: format}))
    message = (
        rf"^{other} is of another version of mergebench \({reads} .*: not a {reads} of format "
        rf"{found}, which this version reads, but of format 7\): use it with that one$"
    )
    with pytest.raises(InputError, match=message):
        unpack(other, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_no_file_is_refused(tmp_path, kind):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as new:
        member = tarfile.TarInfo(f"cells/{'0' * 64}.json")
        member.type, member.linkname = kind, "elsewhere"
        new.addfile(member)
    bad = tmp_path / "bad.tar.xz"
    bad.write_bytes(lzma.compress(plain.getvalue()))
    with pytest.raises(InputError, match=r"bad.tar.xz is no archive .* is no regular file\)"):
        archived(bad)


@pytest.mark.parametrize("size", [0, 40, -40])
def test_a_truncated_archive_is_named(archive, tmp_path, size):
    bad = tmp_path / "bad.tar.xz"
    bad.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(InputError, match=r"bad.tar.xz is no archive of measurements"):
        archived(bad)


def test_what_is_not_there_is_named(tmp_path, emptied):
    with pytest.raises(InputError, match=r"none.tar.xz is missing"):
        unpack(tmp_path / "none.tar.xz", tmp_path / "runs")
    with pytest.raises(InputError, match="holds no measurement of minilm"):
        pack(emptied, "minilm", tmp_path / "new.tar.xz")
    with pytest.raises(InputError, match="has no folder cells"):
        pack(tmp_path, "mini_vit", tmp_path / "new.tar.xz")
