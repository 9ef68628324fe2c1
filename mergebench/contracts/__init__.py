"""What a plug-in implements: a merger, with or without data, a merging space, a protection.

A plug-in is a frozen keyword-only dataclass. Its fields are its hyper-parameters with the paper's
defaults; its class attributes say what it is. The registry finds it by its `name`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
