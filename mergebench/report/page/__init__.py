"""Pages to look at: tables, plots and the records behind their numbers, as one HTML file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
