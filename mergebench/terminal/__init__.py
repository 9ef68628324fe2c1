"""What is printed: text from outside cannot steer a terminal, and one that breaks ends no work."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
