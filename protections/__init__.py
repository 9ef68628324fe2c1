"""Ways to produce an update that should resist merging, one file per method."""
