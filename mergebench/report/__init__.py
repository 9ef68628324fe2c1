"""Tables and figures: pure functions of measurements, written as files or to the terminal."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
