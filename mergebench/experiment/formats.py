"""Versions of the files that a store has: each says of which it is."""

from __future__ import annotations


class OtherFormatError(ValueError):
    """What was read is of another version of mergebench, rather than damaged."""


class NoChecksumError(ValueError):
    """A record from before there were checksums; it is given one when its update is used."""


def check_format(found: object, expected: int, what: str) -> None:
    """Raise ValueError with a short reason unless `what` is of the format that is read here.

    It is an `OtherFormatError` where another format is stated.
    """
    if found == expected:
        return
    reason = f"not a {what} of format {expected}"
    if type(found) is int:
        raise OtherFormatError(f"{reason}, which this version reads, but of format {found}")
    raise ValueError(reason)
