"""What readers call plug-ins is what these say of themselves."""

from __future__ import annotations

from pathlib import Path

from mergebench.contracts import Attack
from mergebench.measure import FROM_BASE, UNPROTECTED, ZERO_SHOT
from mergebench.registry import Registry
from mergebench.report.labels import attack_label, protection_label, release_label, space_label

PLUGINS = """
from dataclasses import dataclass

from attacks.ties import Ties


@dataclass(frozen=True, kw_only=True)
class Titled(Ties):
    name = "my_ties"
    title = "My TIES"


@dataclass(frozen=True, kw_only=True)
class Untitled(Ties):
    name = "other_ties"
"""


def test_one_file_brings_its_heading(tmp_path: Path) -> None:
    file = tmp_path / "plugins.py"
    file.write_text(PLUGINS)
    found = Registry()
    found.add_file(file)
    assert found.heading(Attack, "my_ties") == "My TIES"
    assert found.heading(Attack, "other_ties") == "other_ties", "not what its parent is called"


def test_labels_of_the_tables() -> None:
    assert [attack_label(name) for name in ("ta", "dare_ties", "wudi", "wudi_iterated")] == [
        *("TA", "TIES+DARE", "WUDI", "WUDI, iterated")
    ]
    assert attack_label("leave_out:ties") == "leave out TIES"
    assert [space_label(name) for name in ("full", "knots", "core")] == ["Full", "KnOTS", "Core"]
    assert protection_label("trap2") == "Trap²"
    assert protection_label("trap2_capped[least=2,most=3]") == "Trap², capped (least 2, most 3)"
    assert protection_label(FROM_BASE) == "from W0, no merge"
    assert protection_label(UNPROTECTED) == "unprotected"
    assert [release_label(name) for name in (ZERO_SHOT, UNPROTECTED)] == ["zero-shot", "fine-tuned"]


def test_what_is_not_registered_keeps_its_name() -> None:
    """Tables that were written long ago name methods that are gone."""
    assert attack_label("gone") == "gone"
    assert attack_label("hold:gone") == "hold gone"
    assert space_label("gone") == "gone"
    assert protection_label("gone[strength=2]") == "gone (strength 2)"
