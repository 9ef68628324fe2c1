"""What a model card says of a protection: what was measured, and what it does not deny."""

from __future__ import annotations

from mergebench.measure import OFF_NOMINAL, ScaleCurve
from mergebench.report.card_facts import CardFacts
from mergebench.report.markdown import markdown_text
from mergebench.report.spread import percent

_SMALL = 5.0
"""Points: a trap that costs a re-scaled update less is none to rely on."""


def protection_text(facts: CardFacts) -> str:
    """Return the section, its verdict taken from the numbers."""
    if not facts.is_protected:
        return (
            "**None.** Whoever downloads this adapter can merge it with others, and its licence is "
            "all that says whether he may.\n"
        )
    return (
        f"{markdown_text(facts.method)}, λ = {facts.strength:g}. Training lowers the loss at "
        "s = 1 and raises it at other scales, so that a merge, which deploys the update at another "
        f"scale, loses its skill.\n\n{_measured(facts)}\n\n"
        "What this denies: mixtures that add the update at another scale, as merging by averages "
        "and most published rules do, as far as the numbers above go. How well mergers do was not "
        "measured in making this adapter: attack it to know.\n\n"
        "What it does not deny:\n\n"
        "- Use of the adapter as it is. It works at s = 1 for everybody who has it.\n"
        "- Mergers who know or guess that it is protected, and keep it at s = 1 beside others.\n"
        "- Imitation: a model that is trained on the answers of this one, or a merge that is "
        "fine-tuned on a few inputs, gets the skill back.\n"
        "- Other tasks of a mixture: a merge that leaves this update out loses nothing.\n"
    )


def off_nominal_mean(curve: ScaleCurve) -> float:
    """Return the mean accuracy of a curve over `OFF_NOMINAL`, in percent."""
    counts = [curve.correct[curve.scales.index(scale)] for scale in OFF_NOMINAL]
    return percent(sum(counts), curve.size * len(counts))


def _measured(facts: CardFacts) -> str:
    """Return what re-scaling costs, and whether that is a protection at all."""
    base = percent(facts.zero_shot.correct, facts.zero_shot.size)
    own = off_nominal_mean(facts.curve)
    scales = ", ".join(f"{scale:g}" for scale in OFF_NOMINAL)
    numbers = f"Mean test accuracy at s = {scales}: {own:.1f} %"
    if facts.plain_curve is None:
        return f"{numbers}; the base model has {base:.1f} %. No plain adapter was made beside it."
    plain = off_nominal_mean(facts.plain_curve)
    numbers = f"{numbers}; a plain adapter has {plain:.1f} %, the base model {base:.1f} %."
    if plain - own < _SMALL:
        return (
            f"{numbers} **No trap to rely on has formed**: re-scaled, this adapter does as well "
            "as a plain one, or nearly."
        )
    left = "still better" if own > base else "no better"
    return (
        f"{numbers} Re-scaled, it loses {plain - own:.1f} points against the plain one and is "
        f"{left} than the base model."
    )
