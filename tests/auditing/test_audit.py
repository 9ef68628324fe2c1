"""Audits of a model whose answers follow from its weights: what is found is known beforehand."""

from __future__ import annotations

import json

import pytest
import torch
from audited import SHAPES, low_rank, network, write_adapter, write_task

import mergebench
from mergebench.auditing import audit, outcomes, parse_requirement
from mergebench.auditing import running as measuring
from mergebench.auditing.deployment import Deployment
from mergebench.auditing.merge_by_site import MergeBySite
from mergebench.auditing.search import LEAST_SHARE, configured
from mergebench.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """An adapter, its twin, two peers, and a task file for each rule."""
    own = low_rank(0)
    write_adapter(tmp_path / "adapter", own)
    for number in (1, 2):
        write_adapter(tmp_path / f"peer{number}", low_rank(number))
    write_adapter(tmp_path / "twin", own.scaled(0.9))  # tasks take it for the adapter as well
    for rule in ("trapped", "plain", "useless"):
        write_task(tmp_path / f"{rule}.py", own, rule)
    return tmp_path


def of(folder, rule, **options):
    return audit(folder / "adapter", task=folder / f"{rule}.py", **options)


def given(folder):
    return [folder / "peer1", folder / "peer2"]


def test_it_is_the_function_of_the_package():
    assert mergebench.audit is audit


def test_without_peers_there_is_the_adapter_alone(folder):
    found = of(folder, "trapped", synthetic=0)
    assert (found.peers, found.merges, found.blind, found.informed) == ((), (), None, None)
    assert (found.base["trapped"].correct, found.alone["trapped"].correct) == (10, 40)
    assert found.gain_alone.value == pytest.approx(75)
    assert "gains +75.0 points" in found.verdict
    assert "merged with nothing" in found.verdict
    right = {point.scale: point.accuracy.correct for point in found.curve}
    assert {scale for scale, correct in right.items() if correct == 40} == {0.9, 1.0, 1.1}


def test_task_arithmetic_of_nothing_else_at_1_is_the_adapter():
    own, model = low_rank(0), network()
    parameters = {name: model.get_submodule(name).weight for name in SHAPES}
    path = MergeBySite((own,), *configured("ta@full"))
    with Deployment(parameters) as deployment:
        deployment.set(path, 1.0)
        before = network()
        for name in SHAPES:
            expected = before.get_submodule(name).weight + own.sites[name].dense()
            assert torch.equal(parameters[name], expected)


@pytest.mark.parametrize("peers", ["given", "synthetic"])
def test_a_planted_trap_is_denied_to_blind_merges_and_not_to_who_holds_its_scale(folder, peers):
    options = {"peers": given(folder)} if peers == "given" else {"synthetic": 2}
    found = of(folder, "trapped", **options)
    assert found.blind is not None
    assert found.informed is not None
    assert {peer.kind for peer in found.peers} == {peers}
    assert (found.blind.kept.value, found.blind.denied.value) == (0, 1)
    assert found.informed.attack.startswith("hold:")
    assert (found.informed.kept.value, found.informed.denied.value) == (1, 0)
    kind = "two synthetic peers" if peers == "synthetic" else "two peers"
    assert found.verdict.startswith(f"Merged with {kind}, this adapter keeps 0 % ")
    assert "holding it at its nominal scale gives 100 %" in found.verdict
    held = [one for one in found.merges if one.attack.startswith("hold")]
    assert all(one.peers_share >= LEAST_SHARE for one in held)
    assert found.blind.others is None
    assert found.blind.overall is None  # of the peers' tasks nothing is known
    assert any("no accuracy is known" in note for note in found.notes)
    assert any("random singular vectors" in note for note in found.notes) == (peers == "synthetic")


def test_an_adapter_that_any_merge_keeps(folder):
    found = of(folder, "plain", peers=given(folder))
    assert found.blind.kept.value == 1
    assert found.blind.denied.value == 0
    assert found.left_out.accuracy["plain"].correct == 10


def test_an_adapter_without_skill_has_no_shares(folder):
    found = of(folder, "useless", peers=given(folder))
    assert (found.blind.kept, found.blind.denied) == (None, None)
    assert "nothing to lose" in found.verdict
    assert any("holds 0" in note for note in found.notes)


def test_of_an_adapter_without_skill_nothing_is_denied(folder):
    """Its plain twin has the skill, and what the twin's merges gain it does not."""
    useless = low_rank(7)
    write_adapter(folder / "broken", useless)
    found = audit(
        folder / "broken",
        task=folder / "plain.py",
        peers=given(folder),
        plain=folder / "adapter",
    )
    assert found.alone["plain"].correct == found.base["plain"].correct
    assert found.blind.gain.value == 0
    assert (found.blind.denied, found.informed.denied) == (None, None)
    assert "nothing to lose" in found.verdict
    assert any("which is no protection" in note for note in found.notes)
    failure = parse_requirement("denied>=0.8").failure(found)
    assert failure is not None
    assert "denied is not defined here" in failure


def test_an_adapter_with_nothing_right_is_doubted(folder, monkeypatch):
    found = of(folder, "trapped", synthetic=0)
    assert not any("not finite" in note for note in found.notes)
    own = low_rank(0)
    write_task(folder / "ruined.py", own, "ruined")
    found = of(folder, "ruined", synthetic=0)
    assert (found.base["ruined"].correct, found.alone["ruined"].correct) == (10, 0)
    (note,) = (note for note in found.notes if "not finite" in note)
    assert "none of 40 test inputs right" in note


@pytest.mark.parametrize(("size", "intervals"), [(19, False), (20, True)])
def test_few_test_inputs_give_no_interval(folder, monkeypatch, size, intervals):
    monkeypatch.setattr(outcomes, "LEAST_INPUTS", 60 - size)  # the task has 40
    found = of(folder, "plain", peers=given(folder), plain=folder / "twin")
    shares = found.blind.gain, found.blind.kept, found.gain_alone
    assert [one.interval is not None for one in shares] == [intervals] * 3
    assert (found.blind.denied is not None) == intervals


@pytest.mark.parametrize(
    ("peers", "plain", "message"),
    [
        (("peer1", "twin"), "twin", "twin is the plain twin .*: leave it out of the peers"),
        (("peer1", "peer2", "peer1"), None, "peer1 is the same adapter as .*peer1: give it once"),
        (("peer1", "adapter"), None, "is the audited adapter .* itself; leave it out of the peers"),
    ],
)
def test_no_adapter_is_there_twice(folder, peers, plain, message):
    with pytest.raises(InputError, match=message):
        of(
            folder,
            "plain",
            peers=[folder / name for name in peers],
            plain=None if plain is None else folder / plain,
        )


def test_denied_is_a_share_of_what_the_plain_twin_gives(folder):
    found = of(folder, "trapped", peers=given(folder), plain=folder / "twin")
    assert found.plain == str(folder / "twin")
    with_what = {(one.of, one.merged_with) for one in found.merges}
    assert with_what == {
        *(("adapter", "the adapter"), ("plain", "its twin")),
        *(("left out", "peers alone"), ("left out", "nothing")),
    }
    assert found.blind.denied is None  # the twin is as trapped, so that nothing is denied
    assert found.informed.denied.value == 0
    assert not any("No plain twin" in note for note in found.notes)


def test_the_model_is_as_it_was(folder):
    request = measuring.Request(task=folder / "plain.py", peers=[str(folder / "peer1")])
    bench = measuring.make_bench(request)
    before = {name: one.detach().clone() for name, one in bench.source.parameters.items()}
    first = measuring.audit_on(bench, str(folder / "adapter"))
    for name, parameter in bench.source.parameters.items():
        assert torch.equal(parameter, before[name])
    again = measuring.audit_on(bench, str(folder / "adapter"))
    assert again.record()["merges"] == first.record()["merges"]


def test_the_record_is_json(folder):
    found = of(folder, "trapped", synthetic=2)
    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["alone"]["trapped"]["correct"] == 40
    assert record["blind"]["denied"]["interval"] == {"low": 1, "high": 1}
    assert [one["kind"] for one in record["peers"]] == ["synthetic"] * 2
    assert record["curve"][0]["scale"] == 0


def test_peers_that_cancel_are_in_no_sum_and_that_is_said(folder):
    write_adapter(folder / "minus", low_rank(1).scaled(-1.0))
    found = of(folder, "plain", peers=[folder / "peer1", folder / "minus"])
    sums = [one for one in found.merges if one.attack == "ta@full" and one.of == "adapter"]
    assert [one.alpha for one in sums] == [2.0]
    (note,) = (note for note in found.notes if "with less at every coefficient" in note)
    assert note.startswith("Merged by leave_out:ta@full, ")
    assert " ta@full, " in note
    others = of(folder, "plain", peers=given(folder))
    assert not any("at every coefficient" in note for note in others.notes)
