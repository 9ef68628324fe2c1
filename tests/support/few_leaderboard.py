"""The leaderboard's command on few images, few points and few attacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import measure_few_images

from attacks.hold import Hold
from mergebench.commands.runs import leaderboard
from mergebench.measure import Level
from mergebench.verification import entries


def few_levels(release: str, *, data: object, checkpoints: bool) -> tuple[Level, ...]:
    realigned = ("realign:ta@full",) if checkpoints else ()
    return (
        Level(knowledge="blind", data="none", attacks=("ta@full",)),
        Level(knowledge="informed", data="none", attacks=("hold:ta@full", *realigned)),
    )


def small_leaderboard(monkeypatch: pytest.MonkeyPatch, folder: Path, store: Path) -> list[object]:
    """Make the standard set small; return the options of a leaderboard below `folder`."""
    monkeypatch.setattr(Hold, "alphas", (0.0, 0.5))
    for module in (leaderboard, entries):
        monkeypatch.setattr(module, "levels", few_levels)
        monkeypatch.setattr(module, "yardsticks", lambda release: ("leave_out:ta@full",))
    return measure_few_images(monkeypatch, folder, store=store)
