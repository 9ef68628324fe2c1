"""Weights of backbones: those given or missing, read out of files of others, fitted into models."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
