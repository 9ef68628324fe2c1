"""A harness that measures how well protections of fine-tuned updates resist model merging."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from mergebench.auditing import audit as audit

__version__ = "0.1.0"

# Functions for programs; each is imported when it is first asked for.
__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"auditing": ["audit"]})
