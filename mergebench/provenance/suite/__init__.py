"""How the embedded images and pretraining pairs were made, from package registries."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
