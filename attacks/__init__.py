"""Merging attacks, one file per method; a file dropped here is found by its class's `name`."""
