"""What an adapter is merged with: adapters given, releases of the suite, or synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mergebench.auditing.record import PeerKind, PeerRecord
from mergebench.auditing.synthetic import synthetic_peer
from mergebench.errors import InputError
from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True, eq=False)
class Peer:
    """An update that is merged with the adapter; `task`: whose accuracy is known."""

    update: Update
    kind: PeerKind
    task: str | None = None

    def record(self) -> PeerRecord:
        """Return what the audit's record says of it."""
        return PeerRecord(
            label=self.update.label,
            kind=self.kind,
            sha256=self.update.sha256,
            norm=self.update.norm(),
            task=self.task,
        )


def synthetic_peers(like: Update, count: int, seed: int) -> tuple[Peer, ...]:
    """Return so many synthetic peers, different ones."""
    return tuple(
        Peer(update=synthetic_peer(like, number, seed=seed), kind="synthetic")
        for number in range(1, count + 1)
    )


def check_different(own: Update, peers: Sequence[Peer], plain: Update | None) -> None:
    """Raise `InputError` if the adapter, its twin or a peer is there twice."""
    seen: dict[str, Update] = {}
    for peer in peers:
        hashed = peer.update.sha256
        if hashed == own.sha256:
            raise InputError(
                f"{peer.update.label} is the audited adapter {own.label} itself; leave it out of "
                "the peers"
            )
        if plain is not None and hashed == plain.sha256:
            raise InputError(
                f"{peer.update.label} is the plain twin {plain.label} itself, which stands for the "
                "adapter: leave it out of the peers"
            )
        if hashed in seen:
            raise InputError(
                f"{peer.update.label} is the same adapter as {seen[hashed].label}: give it once"
            )
        seen[hashed] = peer.update
    if plain is not None and plain.sha256 == own.sha256:
        raise InputError(f"--plain {plain.label} is the audited adapter itself; leave it out")


def with_updates(peers: Sequence[Peer], updates: Sequence[Update]) -> tuple[Peer, ...]:
    """Return the peers with other updates, in the same order."""
    return tuple(replace(peer, update=update) for peer, update in zip(peers, updates, strict=True))
