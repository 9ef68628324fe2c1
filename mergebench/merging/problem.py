"""Merging a set of updates under one or many rules, reusing what does not depend on the rule."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import proxy

import torch
from torch import Tensor

from mergebench.contracts import Attack, Encoded, Kept, MergePart, Merger, Room, Site, Space
from mergebench.errors import InputError, shape_text
from mergebench.merging.memory import UpdateMemory
from mergebench.updates import Dense, LowRank, MergePath, NotFiniteError, SiteUpdate, Update

AttackT = TypeVar("AttackT", bound=Attack)


def merge(
    merger: Merger,
    updates: Sequence[Update],
    *,
    space: Space,
    seed: int = 0,
    coefficients: Sequence[float] | None = None,
) -> Update:
    """Return the merged update `D` of one rule, before the merging coefficient `alpha`.

    For several rules on the same updates, a `MergeProblem` shares what they have in common; errors
    and parameters are the same.
    """
    problem = MergeProblem(updates, space=space, seed=seed, coefficients=coefficients, room=Room(0))
    return problem.merge(merger)


class Problem(ABC, Generic[AttackT]):
    """A set of updates in one space, and the data that an attack needs, to be merged."""

    updates: tuple[Update, ...]
    space: Space
    seed: int

    @abstractmethod
    def path(self, merger: AttackT) -> MergePath:
        """Return the merge as it depends on the merging coefficient `alpha`."""

    @abstractmethod
    def notes(self, merger: AttackT) -> dict[str, float]:
        """Return what `merger`, and the space, noted at its last merge."""

    def least_notes(self, merger: AttackT) -> dict[str, float]:
        """Return below which values notes of a merge by `merger` make it doubtful."""
        return {**self.space.smallest, **merger.least_notes}


class MergeProblem(Problem[Merger]):
    """`T` updates in one space, encoded once and merged under any number of rules.

    `coefficients`: one factor per update, applied to its representatives before the rule. `room`:
    for the large tensors that are kept between merges. `known`: what other problems found out about
    single updates.
    Raises `InputError` when the updates do not agree in sites, shapes or dtypes.
    """

    def __init__(
        self,
        updates: Sequence[Update],
        *,
        space: Space,
        seed: int = 0,
        coefficients: Sequence[float] | None = None,
        room: Room | None = None,
        known: UpdateMemory | None = None,
    ) -> None:
        if not updates:
            raise InputError("nothing to merge: give at least one update")
        if coefficients is not None and len(coefficients) != len(updates):
            raise InputError(
                f"{len(coefficients)} coefficients for {len(updates)} updates: give one each"
            )
        check_compatible(updates)
        self.space = space
        self.seed = seed
        self.updates = tuple(updates)
        self._coefficients = coefficients
        self._encoded: defaultdict[tuple[str, bool], Kept[Encoded]] = defaultdict(Kept)
        self._sites: dict[tuple[str, bool], Site] = {}
        self._of_space: dict[tuple[str, bool], Mapping[str, float]] = {}
        self._of_model: dict[bool, dict[str, Any]] = {True: {}, False: {}}
        self._room = Room() if room is None else room
        self._known = known

    def merge(self, merger: Merger) -> Update:
        """Return the merged update `D` of `merger`, one site after the other.

        Raises `InputError` when the rule is not defined in this space, or rule or space need
        low-rank factors and an update is dense, `ArithmeticError`, naming the site, when the result
        is not finite, and `PluginError` when rule or space break their contracts.
        """
        merger.check_space(self.space.name)
        for part in (*merger.parts(), self.space):
            if part.needs_factors:
                _require_factors(self.updates, part)
        sites = {name: self._merge_site(name, merger) for name in self.updates[0].sites}
        try:
            return Update(sites=sites, label=f"{merger!r}@{self.space.name}")
        except NotFiniteError as error:
            raise ArithmeticError(
                f"{merger.name} gave a value that is not finite at site {error.site}"
            ) from None

    def path(self, merger: Merger) -> MergePath:
        """Return `alpha D`; errors as of `merge`."""
        return MergePath(direction=self.merge(merger))

    def notes(self, merger: Merger) -> dict[str, float]:
        """Return what `merger` noted at its last merge, and the space when it encoded the updates.

        The smallest values over the sites.
        """
        found: dict[str, float] = {}
        for name in self.updates[0].sites:
            key = name, merger.rotation_invariant
            noted = self._sites[key].notes.items() if key in self._sites else ()
            # Rules share their sites: what others noted there is left out.
            own = [(what, value) for what, value in noted if what in merger.least_notes]
            for what, value in (*own, *self._of_space.get(key, {}).items()):
                found[what] = min(value, found.get(what, value))
        return found

    def _merge_site(self, name: str, merger: Merger) -> SiteUpdate:
        return (
            self._weighted_sum(name, merger)
            or self._of_factors(name, merger)
            or self._combine(name, merger)
        )

    def _weighted_sum(self, name: str, merger: Merger) -> SiteUpdate | None:
        """Return what a linear rule gives where the space needs no representatives for it."""
        weights = merger.linear(len(self.updates), name)
        if weights is None:
            return None
        if self._coefficients is not None:
            pairs = zip(weights, self._coefficients, strict=True)
            weights = [weight * coefficient for weight, coefficient in pairs]
        return self.space.total([update.sites[name] for update in self.updates], weights, name)

    def _of_factors(self, name: str, merger: Merger) -> LowRank | None:
        """Return what a rule about factors gives where all changes have them."""
        changes = [update.sites[name] for update in self.updates]
        factors = [change for change in changes if isinstance(change, LowRank)]
        if len(factors) < len(changes):
            return None
        return merger.factored(factors, self._coefficients or [1.0] * len(changes), name)

    def _combine(self, name: str, merger: Merger) -> SiteUpdate:
        encoded = self._encode(name, merger.rotation_invariant)
        site = self._sites[name, merger.rotation_invariant]
        merged = merger(encoded.stack, site)
        first = self.updates[0].sites[name]
        if site.matrix:
            return self.space.decoded(encoded, merged, name, first)
        return Dense(delta=encoded.decode(merged, first.dtype).dense().reshape(first.shape))

    def _encode(self, name: str, rotation_invariant: bool) -> Encoded:
        """Return the site's representatives, kept where there is room."""
        return self._room.once(
            self._encoded[name, rotation_invariant],
            lambda: self._encode_anew(name, rotation_invariant),
            _bytes,
        )

    def _encode_anew(self, name: str, rotation_invariant: bool) -> Encoded:
        changes = [update.sites[name] for update in self.updates]
        matrix = len(changes[0].shape) == 2
        encoded = self._encode_changes(name, changes, matrix, rotation_invariant)
        self._of_space[name, rotation_invariant] = encoded.notes
        if self._coefficients is not None:
            factors = encoded.stack.new_tensor(self._coefficients)
            encoded = replace(encoded, stack=encoded.stack * factors[:, None, None])
        if (name, rotation_invariant) not in self._sites:
            # A proxy: a site that held its problem would keep both, and the updates, until the
            # garbage collector looks for cycles, which may be after gigabytes.
            self._sites[name, rotation_invariant] = Site(
                name=name,
                shape=encoded.shape,
                seed=self.seed,
                matrix=matrix,
                dtype=changes[0].dtype,
                _own=self._own(name) if encoded.separate else [],
                _room=self._room,
                _shared_room=Room(0) if self._known is None else self._known.room,
                _stacks=partial(type(self)._stacks, proxy(self), rotation_invariant),
                _of_model=self._of_model[rotation_invariant],
            )
        return encoded

    def _stacks(self, rotation_invariant: bool) -> Iterator[Tensor]:
        for name in self.updates[0].sites:
            yield self._encode(name, rotation_invariant).stack

    def _own(self, name: str) -> list[dict[str, Any]]:
        """Return what is remembered of each update's representative, and of draws for its place."""
        if self._known is None:
            return []
        factors = self._coefficients or [1.0] * len(self.updates)
        return [
            self._known.of(update.sha256, factor, repr(self.space), name, place, self.seed)
            for place, (update, factor) in enumerate(zip(self.updates, factors, strict=True))
        ]

    def _encode_changes(
        self, name: str, changes: Sequence[SiteUpdate], matrix: bool, rotation_invariant: bool
    ) -> Encoded:
        if not matrix:
            flat = torch.stack([change.dense().reshape(1, -1) for change in changes])
            return Encoded(stack=flat, shape=(1, flat.shape[2]), separate=True)
        return self.space(changes, name, rotation_invariant=rotation_invariant)


def _bytes(encoded: Encoded) -> int | None:
    """Return the bytes of representatives; None for the updates as they are, quickly made again."""
    bases = [basis for basis in (encoded.left, encoded.right) if basis is not None]
    return sum(tensor.nbytes for tensor in (encoded.stack, *bases)) if bases else None


def check_compatible(updates: Sequence[Update]) -> None:
    """Raise `InputError` unless all updates change the same sites, shapes and dtypes alike."""
    first = updates[0]
    for other in updates[1:]:
        _check_same_sites(first, other)
        for site, change in first.sites.items():
            theirs = other.sites[site]
            if change.shape != theirs.shape:
                raise InputError(
                    f"site {site} has shape {shape_text(change.shape)} in {first.label} and "
                    f"{shape_text(theirs.shape)} in {other.label}: merge adapters of one backbone"
                )
            if change.dtype != theirs.dtype:
                raise InputError(
                    f"site {site} is {change.dtype} in {first.label} and {theirs.dtype} in "
                    f"{other.label}: convert them to one dtype"
                )


def _check_same_sites(first: Update, other: Update) -> None:
    missing = [site for site in first.sites if site not in other.sites]
    extra = [site for site in other.sites if site not in first.sites]
    if not missing and not extra:
        return
    site, holder, lacker = (missing[0], first, other) if missing else (extra[0], other, first)
    near = difflib.get_close_matches(site, list(lacker.sites), n=1)
    hint = f" (nearest there: {near[0]})" if near else ""
    raise InputError(
        f"{lacker.label} has no site {site}, which {holder.label} changes{hint}; "
        f"{len(missing)} missing, {len(extra)} extra: merge adapters with the same target modules, "
        "or what is missing as zero (--missing zero)"
    )


def _require_factors(updates: Sequence[Update], part: MergePart) -> None:
    """Raise `InputError` unless all changes of matrices are factors, which `part` needs."""
    for update in updates:
        for site, change in update.sites.items():
            if len(change.shape) == 2 and not isinstance(change, LowRank):
                way_out = "use space full" if isinstance(part, Space) else "use another attack"
                raise InputError(
                    f"{update.label}: site {site} is dense, but {part.kind} {part.name} needs "
                    f"low-rank factors; {way_out}"
                )
