"""The regression check: whether merged accuracy moved since a baseline, or between two stores."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
