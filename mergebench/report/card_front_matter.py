"""The machine-readable head of a model card, as the hub reads it."""

from __future__ import annotations

from mergebench.report.card_facts import CardFacts
from mergebench.terminal import printable

TO_FILL_IN = "to-be-filled-in"
"""The name of a licence that the provider has not chosen yet."""


def front_matter(facts: CardFacts) -> str:
    """Return the YAML between the two lines of dashes at the top of a card."""
    from huggingface_hub import EvalResult, ModelCardData  # takes half a second to import

    kind = facts.measurements.context.inputs.removesuffix("s")
    task, alone = _one_line(facts.task), facts.alone
    result = EvalResult(
        task_type=f"{kind}-classification",
        dataset_type=task,
        dataset_name=task,
        dataset_split="test",
        metric_type="accuracy",
        metric_name="accuracy at scale 1",
        metric_value=round(alone.correct / alone.size, 6),
    )
    licence = facts.licence or "other"
    data = ModelCardData(
        base_model=facts.base_model,
        library_name="peft",
        license=licence,
        license_name=None if facts.licence else TO_FILL_IN,
        datasets=[task],
        metrics=["accuracy"],
        tags=["lora", "mergebench", *([facts.release] if facts.is_protected else [])],
        model_name=f"{task} ({'plain' if not facts.is_protected else facts.release})",
        eval_results=[result],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
