"""Encoders of sentences: BERTs of `transformers` whose tokens are averaged."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
