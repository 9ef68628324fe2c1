"""Trap² in other people's training loops: PyTorch modules with PEFT adapters, `transformers`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
