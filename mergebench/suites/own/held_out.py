"""How much of data that are not split is held out."""

from __future__ import annotations

from mergebench.suites.split_names import SPLIT_NAMES, SplitName
from mergebench.suites.splitting import Roles

MOST = 2_000
"""Inputs that a split which is held out of training has at most.

Wilson's interval of an accuracy on so many is at most 2.2 points to either side.
"""


def caps_of(roles: Roles) -> dict[SplitName, int]:
    """Return the most inputs of the splits that are held out; those that are given are whole."""
    return {name: MOST for name in SPLIT_NAMES if name not in roles.files}
