"""What users get wrong first, for the verbs that take their adapters and data: one line each."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from command_line import random_adapter, run, tower_shapes
from own_data import write_pictures, write_texts

from mergebench.auditing import backbone_bench
from mergebench.backbones import site_shapes
from mergebench.commands.runs import evaluating
from mergebench.errors import InputError
from mergebench.updates import check_full_precision

VERBS = {
    "protect": ["protect", "--out", "new", "--backbone"],
    "audit": ["audit", "adapter", "--backbone"],
    "evaluate": ["evaluate", "adapter", "--backbone"],
}
OF_ADAPTERS = ("audit", "evaluate")
QUANTISED = "is quantised, and an update is added to full-precision weights: train it on these, or"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    shapes = tower_shapes()
    for number, name in enumerate(("adapter", "peer")):
        random_adapter(home / name, shapes["mini_vit"], number)
    random_adapter(home / "foreign", shapes["mini_convnext"], 2)
    (home / "texts").mkdir()
    random_adapter(home / "texts" / "adapter", site_shapes("minilm"), 3)
    (home / "empty").mkdir()
    for name in ("circle", "square"):
        (home / "bare" / name).mkdir(parents=True)
    write_pictures(home / "lonely", {"circle": 8, "square": 1})
    write_pictures(home / "shapes", {"circle": 8, "square": 8})
    return home


@pytest.fixture
def complaint(home, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(home)
    monkeypatch.setenv("MERGEBENCH_CACHE", str(tmp_path / "cache"))

    def refused(*words):
        assert run(*words) == 2
        shown = capsys.readouterr()
        assert (shown.out, shown.err.count("\n")) == ("", 1), shown
        return shown.err

    return refused


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("empty", "empty: has no images in folders of classes, and not a .jsonl, .csv, .parquet"),
        ("bare", "file; put images into a folder per class"),
        ("lonely", "test has none of 'square': add at least 3 different images of each, or accept"),
    ],
)
def test_pictures_that_are_missing(complaint, verb, data, message):
    assert message in complaint(*VERBS[verb], "mini_vit", "--data", data)


NUMBER = "labels.jsonl: has the label 0, a number without a name; name the classes with --names FI"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], NUMBER),
        (["a", "b", ["a"]], "labels.jsonl, line 3: has the label ['a']; expected a name or a who"),
        (["a", None], "labels.jsonl, line 2: has the label None; expected a name or a whole"),
        (["a", True], "labels.jsonl, line 2: has the label True; expected a name or a whole"),
    ],
)
def test_labels_that_are_no_strings(complaint, home, monkeypatch, verb, labels, message):
    texts = [(f"text {n}", labels[n % len(labels)]) for n in range(5 * len(labels))]
    write_texts(home / "texts" / "labels.jsonl", texts)
    monkeypatch.chdir(home / "texts")
    stub = SimpleNamespace(
        name="minilm", tokenize=lambda texts: None, tensors={}
    )  # the real weights are not here
    monkeypatch.setattr(backbone_bench, "load_backbone", lambda *_, **__: stub)
    monkeypatch.setattr(evaluating, "load_backbone", lambda *_, **__: stub)
    monkeypatch.setattr(evaluating, "require_inputs", lambda *_: None)
    assert message in complaint(*VERBS[verb], "minilm", "--data", "labels.jsonl")


def record(adapter, base):
    config = adapter / "adapter_config.json"
    config.write_text(
        json.dumps({**json.loads(config.read_text()), "base_model_name_or_path": base})
    )


@pytest.fixture
def based(home):
    """Note a base in an adapter for as long as a test runs."""
    noted = []

    def note(name, base):
        noted.append(home / name)
        record(home / name, base)

    yield note
    for adapter in noted:
        record(adapter, None)


def test_an_adapter_or_a_peer_for_another_base(complaint, based):
    data = ["--data", "shapes"]
    based("peer", "someone/another-model")
    line = complaint(*VERBS["audit"], "mini_vit", *data, "--with", "peer")
    assert "peer/adapter_config.json: base_model_name_or_path is 'someone/another-model'" in line
    assert "which is not mini_vit: choose the backbone that it was trained on, or insist" in line
    assert ": mini_vit has no site" in complaint(
        *VERBS["audit"], "mini_vit", *data, "--with", "foreign"
    )
    based("adapter", "someone/another-model")
    for verb in OF_ADAPTERS:
        line = complaint(*VERBS[verb], "mini_vit", *data)
        assert "adapter/adapter_config.json: base_model_name_or_path is 'someone/another" in line
        assert "or insist with --other-base" in line


@pytest.mark.parametrize("base", ["someone/mini_vit-bnb-4bit", "./mini_vit-4bit"])
def test_an_adapter_of_a_quantised_base(complaint, based, base):
    based("adapter", base)
    for verb in OF_ADAPTERS:
        line = complaint(*VERBS[verb], "mini_vit", "--data", "shapes")
        assert f"adapter: its base {base!r} {QUANTISED} insist with --other-base" in line
    merging = ["merge", "peer", "adapter", "--backbone", "mini_vit", "--attack", "ta"]
    assert QUANTISED in complaint(*merging, "--out", "merged.safetensors")


@pytest.mark.parametrize(
    ("base", "quantised"),
    [
        ("unsloth/Llama-3.2-1B-unsloth-bnb-4bit", True),
        ("TheBloke/Llama-2-7B-GPTQ", True),
        ("TheBloke/Llama-2-7B-AWQ", True),
        ("someone/Llama-3.1-8B-quantized.w8a8", True),
        ("someone/gemma-3-1b-it-int8wo", True),
        ("someone/gpt-MXFP4", True),
        ("someone/SmolLM2-135M-Q4_1.gguf", True),
        ("someone/Qwen2.5-0.5B-1bit", True),
        ("sentence-transformers/all-MiniLM-L6-v2", False),
        ("openai/clip-vit-base-patch32", False),
        ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", False),
        ("google/gemma-2-2b-it", False),
        ("bert-base-uncased", False),
        ("HuggingFaceTB/SmolLM2-135M", False),
        (None, False),
    ],
)
def test_names_of_quantised_bases(base, quantised):
    if quantised:
        with pytest.raises(InputError, match="is quantised"):
            check_full_precision("adapter", base)
    else:
        check_full_precision("adapter", base)
