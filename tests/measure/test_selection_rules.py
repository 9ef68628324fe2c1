"""Rules by which points are chosen again, by their names."""

from __future__ import annotations

import pytest

from mergebench.errors import InputError
from mergebench.measure import RULES, get_rule


def test_a_former_name_is_accepted_and_no_longer_offered() -> None:
    assert get_rule("other_seven") is get_rule("others")
    assert get_rule("others").tasks(("a", "b", "c"), "b") == ("a", "c")
    assert [*RULES] == ["paper", "all_tasks", "others", "target"]
    with pytest.raises(InputError, match="did you mean others"):
        get_rule("other")
