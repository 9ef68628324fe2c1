"""Dual encoders: towers as named linear sites, their text heads, and the embedded checkpoints."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
