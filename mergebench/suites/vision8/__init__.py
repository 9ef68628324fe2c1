"""The paper's eight data sets: found on this machine, verified, split and decoded once."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
