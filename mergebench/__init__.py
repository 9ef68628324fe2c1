"""A harness that measures how well protections of fine-tuned updates resist model merging."""

__version__ = "0.1.0"
