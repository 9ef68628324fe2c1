"""What a model card says of a protection: what was measured, and what it does not deny."""

from __future__ import annotations

from mergebench.measure import OFF_NOMINAL, UNPROTECTED, Measurements, ScaleCurve
from mergebench.report.card_facts import CardFacts
from mergebench.report.markdown import markdown_text
from mergebench.report.spread import percent

LEAST_LOSS = 5.0
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
        f"scale, loses its skill.\n\n{_measured(facts)}\n\n{_denied(facts)}\n\n"
        "What it does not deny:\n\n"
        "- Use of the adapter as it is. It works at s = 1 for everybody who has it.\n"
        "- Mergers who know or guess that it is protected, and keep it at s = 1 beside others.\n"
        "- Imitation: a model that is trained on the answers of this one, or a merge that is "
        "fine-tuned on a few inputs, gets the skill back.\n"
        "- Other tasks of a mixture: a merge that leaves this update out loses nothing.\n"
    )


def lost_when_rescaled(measurements: Measurements) -> float | None:
    """Return by how many points the protected update is worse than the plain one off scale 1.

    Of the mean test accuracy over `OFF_NOMINAL`; None unless both were measured.
    """
    means = {curve.release: off_nominal_mean(curve) for curve in measurements.curves}
    plain = means.pop(UNPROTECTED, None)
    return None if plain is None or not means else plain - next(iter(means.values()))


def off_nominal_mean(curve: ScaleCurve) -> float:
    """Return the mean accuracy of a curve over `OFF_NOMINAL`, in percent."""
    counts = [curve.correct[curve.scales.index(scale)] for scale in OFF_NOMINAL]
    return percent(sum(counts), curve.size * len(counts))


def _measured(facts: CardFacts) -> str:
    """Return what re-scaling costs, and whether that is a protection at all."""
    base = percent(facts.zero_shot.correct, facts.zero_shot.size)
    own, lost = off_nominal_mean(facts.curve), lost_when_rescaled(facts.measurements)
    scales = ", ".join(f"{scale:g}" for scale in OFF_NOMINAL)
    numbers = f"Mean test accuracy at s = {scales}: {own:.1f} %"
    if lost is None:
        return f"{numbers}; the base model has {base:.1f} %. No plain adapter was made beside it."
    numbers = f"{numbers}; a plain adapter has {own + lost:.1f} %, the base model {base:.1f} %."
    if lost < LEAST_LOSS:
        return (
            f"{numbers} **No trap to rely on has formed**: re-scaled, this adapter does as well "
            "as a plain one, or nearly."
        )
    left = "still better" if own > base else "no better"
    return (
        f"{numbers} Re-scaled, it loses {lost:.1f} points against the plain one and is "
        f"{left} than the base model."
    )


def _denied(facts: CardFacts) -> str:
    lost = lost_when_rescaled(facts.measurements)
    if lost is not None and lost < LEAST_LOSS:
        return "What this denies: nothing, as far as the numbers above go."
    return (
        "What this denies: mixtures that add the update at another scale, as merging by averages "
        "and most published rules do, as far as the numbers above go. How well mergers do was not "
        "measured in making this adapter: attack it to know."
    )
