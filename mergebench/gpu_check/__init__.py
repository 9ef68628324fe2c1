"""What a GPU does here, in one run: its tests, speeds, merges and tables, and what follows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
