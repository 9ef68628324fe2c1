"""What a model card says of a protection: what was measured, and what it does not deny."""

from __future__ import annotations

from mergebench.measure import OFF_NOMINAL, Estimate
from mergebench.report.card_facts import CardFacts
from mergebench.report.estimates import points_text
from mergebench.report.markdown import markdown_text
from mergebench.report.rescaling_loss import (
    difference,
    gained_alone,
    lost_when_rescaled,
    off_nominal_mean,
    trap_found,
)
from mergebench.report.spread import percent


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
        f"scale, loses its skill.\n\n{_at_nominal(facts)}{_measured(facts)}\n\n{_denied(facts)}\n\n"
        "What it does not deny:\n\n"
        f"- Use of the adapter as it is{_for_everybody(facts)}.\n"
        "- Mergers who know or guess that it is protected, and keep it at s = 1 beside others.\n"
        "- Imitation: a model that is trained on the answers of this one, or a merge that is "
        "fine-tuned on a few inputs, gets the skill back.\n"
        "- Other tasks of a mixture: a merge that leaves this update out loses nothing.\n"
    )


def _gained(facts: CardFacts) -> Estimate:
    return gained_alone(facts.measurements, facts.release)


def _at_nominal(facts: CardFacts) -> str:
    """Return that there is no skill to protect, if so."""
    gained = _gained(facts)
    if gained.is_above_chance:
        return ""
    surely = gained.interval is not None and gained.interval.high < 0
    compared = "is worse than" if surely else "cannot be told from"
    return (
        f"**At s = 1 it {compared} the base model**, its difference from it is "
        f"{points_text(gained)}: as measured, there is no skill that a protection could "
        "protect.\n\n"
    )


def _for_everybody(facts: CardFacts) -> str:
    if _gained(facts).is_above_chance:
        return ". It works at s = 1 for everybody who has it"
    return ", for what it is worth"


def _measured(facts: CardFacts) -> str:
    """Return what re-scaling costs, how sure that is, and whether it is a protection at all."""
    size = facts.curve.size
    base, own = percent(facts.zero_shot.correct, size), off_nominal_mean(facts.curve)
    lost = lost_when_rescaled(facts.measurements)
    scales = ", ".join(f"{scale:g}" for scale in OFF_NOMINAL)
    inputs = facts.measurements.context.inputs
    numbers = f"Mean accuracy on {size} test {inputs} at s = {scales}: {own:.1f} %"
    if lost is None:
        return f"{numbers}; the base model has {base:.1f} %. No plain adapter was made beside it."
    numbers = (
        f"{numbers}; a plain adapter has {own + lost.value:.1f} %, the base model {base:.1f} %."
    )
    loses = f"Re-scaled, it loses {points_text(lost)} against the plain one"
    found = trap_found(lost)
    if found == "none":
        return f"{numbers} **No trap to rely on has formed.** {loses}."
    if found == "perhaps":
        return f"{numbers} {loses}, **which may be chance**: measure it on more test inputs."
    return f"{numbers} {loses} and {_beside_base(difference(own, base, size))}."


def _beside_base(gained: Estimate) -> str:
    """Return how a re-scaled adapter compares with no adapter at all."""
    assert gained.interval is not None
    if gained.interval.low > 0:
        return "is still better than the base model"
    if gained.interval.high < 0:
        return "is worse than the base model"
    return f"cannot be told from the base model: its difference from it is {points_text(gained)}"


def _denied(facts: CardFacts) -> str:
    lost = lost_when_rescaled(facts.measurements)
    if lost is None:
        return (
            "What this denies is not known: an adapter without protection also loses accuracy at "
            "other scales, and how much was not measured."
        )
    if trap_found(lost) != "some" or not _gained(facts).is_above_chance:
        return "What this denies: nothing, as far as the numbers above go."
    return (
        "What this denies: mixtures that add the update at another scale, as merging by averages "
        "and most published rules do, as far as the numbers above go. How well mergers do was not "
        "measured in making this adapter: attack it to know."
    )
