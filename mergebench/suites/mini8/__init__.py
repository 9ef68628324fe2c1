"""The embedded suite: small tasks as sprite sheets, labels and a manifest, verified on load."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
