"""Texts from files of several formats: read, compared, and tokenised for a backbone."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
