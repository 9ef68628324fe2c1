"""A harness that measures how well protections of fine-tuned updates resist model merging."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mergebench.auditing import audit as audit
    from mergebench.protecting import Protected as Protected
    from mergebench.protecting import protect as protect
else:
    import lazy_loader

    __getattr__, __dir__, __all__ = lazy_loader.attach(
        __name__,
        submod_attrs={"auditing": ["audit"], "protecting": ["Protected", "protect"]},
    )
