"""Fine-tuning: one recipe, one loop, and the objective that a protection hands to it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
