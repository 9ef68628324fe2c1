"""The suite of eight text data sets: texts and labels, before any tokeniser."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
