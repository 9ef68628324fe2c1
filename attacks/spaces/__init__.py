"""Coordinates in which updates are merged."""
