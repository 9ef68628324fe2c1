"""The pieces of work of an experiment as jobs of a cluster; all that is shared is the store."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
