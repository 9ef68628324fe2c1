"""The builder of the embedded suite: turns pinned registry packages into packed image tasks."""
