"""Which cells a table needs, and getting them: from the store, or by running jobs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
