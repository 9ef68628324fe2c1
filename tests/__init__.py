"""Tests, in the rooms of what they test; `support/` holds what they share."""
