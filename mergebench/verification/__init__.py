"""Committed tables against a new measurement: do their counts come out again?"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
