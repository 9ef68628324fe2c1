"""What a provider releases: the change of each site's weight, in memory and on disk."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
