"""Images from anywhere: found as files or in archives, decoded once, and kept on disk."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
