"""From labelled examples to splits that share none: duplicates, draws by class, and notes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
