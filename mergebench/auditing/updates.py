"""The updates of one audit: the adapter, its peers, and perhaps its plain twin."""

from __future__ import annotations

from dataclasses import dataclass

from mergebench.auditing.bench import Bench
from mergebench.auditing.peers import Peer, check_different, synthetic_peers, with_updates
from mergebench.auditing.request import SYNTHETIC
from mergebench.merging import check_compatible, with_missing_as_zero
from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True, eq=False)
class Updates:
    """The audited update, its peers and its plain twin, all changing the same sites."""

    own: Update
    peers: tuple[Peer, ...]
    plain: Update | None

    @property
    def known(self) -> bool:
        """Whether the accuracy of all peers is known."""
        return bool(self.peers) and all(peer.task is not None for peer in self.peers)


def load_updates(bench: Bench, adapter: str) -> Updates:
    """Return an audited adapter and what it is merged and compared with.

    Raises `InputError` for one that does not fit the model or the others.
    """
    request = bench.request
    own = bench.load(adapter)
    plain = None if request.plain is None else bench.load(request.plain)
    peers = _peers(bench, own)
    check_different(own, peers, plain)
    every = [own, *(peer.update for peer in peers), *([] if plain is None else [plain])]
    if request.missing_as_zero:
        every = with_missing_as_zero(every)
    check_compatible(every)
    count = len(peers) + 1
    return Updates(
        own=every[0],
        peers=with_updates(peers, every[1:count]),
        plain=None if plain is None else every[count],
    )


def _peers(bench: Bench, own: Update) -> tuple[Peer, ...]:
    request = bench.request
    if request.peers:
        return tuple(Peer(update=bench.load(one), kind="given") for one in request.peers)
    if request.synthetic is None and request.peers is None:
        of_suite = tuple(bench.suite_peers())
        if of_suite:
            return of_suite
        return synthetic_peers(own, SYNTHETIC, request.seed)
    return synthetic_peers(own, request.synthetic or 0, request.seed)
