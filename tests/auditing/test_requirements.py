"""What may be required of an audit, and when it is met."""

from __future__ import annotations

import pytest
from audited import low_rank, write_adapter, write_task

from mergebench.auditing import audit, parse_requirement
from mergebench.errors import InputError


@pytest.fixture(scope="module")
def trapped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trapped")
    own = low_rank(0)
    adapter = write_adapter(folder / "adapter", own)
    return audit(adapter, task=write_task(folder / "my_task.py", own, "trapped"), synthetic=2)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("denied>=0.8", True),
        ("denied>=1", True),
        ("denied>1", False),
        ("denied>=-0.1", True),  # a protected adapter may gain more than the plain one
        ("denied_informed.low>=-1", True),
        (" kept.high <= .0 ", True),
        ("denied_informed>=0.8", False),
        ("denied_informed.high<0.5", True),
        ("alone>99.9", True),
        ("alone.low>99.9", False),
        ("base<30", True),
        ("gain_alone>=75", True),
        ("accuracy<30", True),
        ("accuracy_informed.low>80", True),
        ("gain.low>-0.1", True),
        ("overall<=0", False),  # not defined: of the peers nothing is known
        ("denied_overall>=0", False),
    ],
)
def test_requirements(trapped, text, met):
    failure = parse_requirement(text).failure(trapped)
    assert (failure is None) == met
    if failure is not None:
        assert text.strip() in failure
        assert "\n" not in failure


def test_a_failure_says_what_was_found(trapped):
    failure = parse_requirement("denied_informed>=0.8").failure(trapped)
    assert failure.endswith("adapter: denied_informed>=0.8 is required, and denied_informed is 0")
    assert parse_requirement("overall<=0").failure(trapped).endswith("overall is not defined here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("denied", "expected NAME>=NUMBER"),
        ("denied=0.8", "expected NAME>=NUMBER"),
        ("denied>=0.8 and kept<1", "expected NAME>=NUMBER"),
        ("denied>=nan", "expected NAME>=NUMBER"),
        ("denied>=80%", "expected NAME>=NUMBER"),
        ("", "expected NAME>=NUMBER"),
        ("denies>=0.8", "did you mean denied"),
        ("denied.middle>=0.8", "unknown number"),
        ("denied>=80", "a share of at most 1"),
        ("denied_informed.low>=1.5", "a share of at most 1"),
    ],
)
def test_what_is_no_requirement(text, message):
    with pytest.raises(InputError, match=message):
        parse_requirement(text)
