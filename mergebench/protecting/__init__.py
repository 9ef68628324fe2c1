"""An adapter of a user's own: trained plain and protected, measured, and written for publishing."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
