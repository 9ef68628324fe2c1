"""Patterns of a downloaded config: what `re` says, within bounds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from adapter_files import configure, load, low_rank_update

from mergebench.errors import InputError
from mergebench.updates import patterns
from mergebench.updates.adapters import save_adapter
from mergebench.updates.patterns import Pattern, match_patterns

FILE = Path("adapter_config.json")
PATHS = [
    f"vision_model.encoder.layers.{layer}.{part}"
    for layer in (0, 1, 10)
    for part in ("self_attn.q_proj", "self_attn.out_proj", "mlp.fc1")
]
NEVER_ENDS = "((.|..|...)+)+!"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_adapter(low_rank_update(), tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    "given",
    [
        "fc1",
        r"layers\.1.*",
        r".*\.(q_proj|fc1)",
        r"^(?!.*layers\.10).*proj$",
        r".*layers\.(?P<idx>\d+)\..*",
        r"(.)\.\1",
        r"[^.]+",
        r".*{e}",
        r".*[[a-z]c1",
        "",
    ],
)
def test_answers_are_those_of_re(given: str, whole: bool) -> None:
    composed = given if whole else rf"(.*\.)?({given})$"
    pattern = Pattern(given=given, composed=composed, whole=whole)
    ask = re.fullmatch if whole else re.match
    expected = {path: found for path in PATHS if (found := ask(composed, path))}
    matched = match_patterns(FILE, [pattern], PATHS)[pattern]
    assert matched == {path: found.groupdict().get("idx") for path, found in expected.items()}


def test_only_patterns_that_repeat_need_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns.subprocess, "run", None)
    plain = [Pattern(given=one, composed=one) for one in (r"^transformer\.blocks\.2", "q_proj$")]
    assert len(match_patterns(FILE, plain, PATHS)) == 2
    with pytest.raises(TypeError):
        match_patterns(FILE, [Pattern(given="a+", composed="a+")], PATHS)


@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": NEVER_ENDS},
        {"exclude_modules": NEVER_ENDS},
        {"rank_pattern": {"fc1": 3, NEVER_ENDS: 3}},
        {"alpha_pattern": {NEVER_ENDS: 3}},
        {"layers_pattern": [NEVER_ENDS], "layers_to_transform": [2]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_matching_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(patterns, "_SECONDS", 1)
    configure(folder, **options)
    with pytest.raises(InputError, match=r"'\(\(\..*takes more than 1 s .* to match") as caught:
        load(folder)
    assert str(folder / "adapter_config.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_system_without_limits_waits_no_longer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "_SECONDS", 1000)
    monkeypatch.setattr(patterns, "_WAIT_S", 1.0)
    configure(folder, target_modules=NEVER_ENDS)
    with pytest.raises(InputError, match="takes more than"):
        load(folder)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"alpha_pattern": {"(?i)a": 4}}, "global flags not at the start"),
        ({"layers_pattern": ["(?P<idx>a)"], "layers_to_transform": [2]}, "redefinition of group"),
        ({"rank_pattern": {"a{1,99999999999999999999}": 4}}, "repetition number is too large"),
        ({"target_modules": "(" * 5000 + "a" + ")" * 5000}, r"'\({80}\.\.\.' is not .*recursion"),
        ({"target_modules": "(?L)a"}, "cannot use 'L' flag"),
        ({"exclude_modules": "*"}, "nothing to repeat"),
        ({"rank_pattern": {"a)|(b": 3, "fc(": 3}}, r"'fc\(' is not a regular expression"),
    ],
)
def test_what_does_not_compile_is_named(folder: Path, options: dict[str, Any], reason: str) -> None:
    configure(folder, **options)
    with pytest.raises(InputError, match=reason) as caught:
        load(folder)
    assert "is not a regular expression" in str(caught.value)
    assert "\n" not in str(caught.value)
