"""Informed attacks that compute something themselves, beside their dense formulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from oracle import Matrix
from subjects import Subject, adapters
from synthetic import SITE, attack

from mergebench.contracts import Attack, InformedMerger, Space
from mergebench.merging import InformedProblem
from mergebench.merging.problem import Problem
from mergebench.registry import registry
from mergebench.seeding import generator

FIRST = 0
"""The place of the update that may be protected."""


@dataclass(frozen=True, kw_only=True)
class InformedSubject(Subject):
    """The same under an informed attack on task arithmetic, of `F + D`."""

    space: str = "full"

    def merger(self, **options: Any) -> Attack:
        """Return the attack with some hyper-parameters."""
        return registry().get(InformedMerger, self.attack)(rule=attack("ta"), **options)

    def problem(self, dtype: torch.dtype = torch.float32) -> Problem[Any]:
        """Return the fast code's problem, nothing of it computed yet."""
        updates = adapters(self.shape, self.count, self.rank, dtype)
        return InformedProblem(updates, place=FIRST, space=registry().get(Space, self.space)())

    def dense_point(self) -> Matrix:
        """Let the dense code merge once at the defaults."""
        stack = self.dense_updates()
        return INFORMED[self.attack](stack[FIRST], stack[FIRST + 1 :])


def restore(own: Matrix, others: Matrix) -> Matrix:
    merged = own + others.sum(axis=0)
    return own + merged - (merged * own).sum() / (own**2).sum() * own


def restore_norms(own: Matrix, others: Matrix) -> Matrix:
    merged = own + others.sum(axis=0)
    return merged * (np.linalg.norm(own) / np.linalg.norm(merged))


def project(own: Matrix, others: Matrix) -> Matrix:
    left, values, right = np.linalg.svd(own)
    rank = int((values > 1e-6 * values[0]).sum())
    left, right = left[:, :rank], right[:rank]
    projected = others - left @ (left.T @ others)
    return own + (projected - projected @ right.T @ right).sum(axis=0)


def spectral(own: Matrix, others: Matrix) -> Matrix:
    left, values, right = np.linalg.svd(own)
    return left[:, :8] * values[:8] @ right[:8] + others.sum(axis=0)


def smooth(own: Matrix, others: Matrix) -> Matrix:
    draws = generator(0, "smooth 0", FIRST, SITE)
    noise = torch.randn(own.shape, generator=draws, dtype=torch.float64).numpy()
    length = 0.1 * np.linalg.norm(own) / np.linalg.norm(noise)
    return own + length * noise + others.sum(axis=0)


def per_task_coefficients(own: Matrix, others: Matrix) -> Matrix:
    return own + (0.3 * others).sum(axis=0)


INFORMED: Mapping[str, Callable[[Matrix, Matrix], Matrix]] = {
    "restore": restore,
    "restore_norms": restore_norms,
    "project": project,
    "spectral": spectral,
    "spectral_merged": spectral,
    "smooth": smooth,
    "per_task_coefficients": per_task_coefficients,
}

NOTHING_OF_THEIR_OWN = (
    *("hold", "hold_layers", "hold_attention_outputs", "hold_greedily"),
    *("leave_out", "leave_out_per_task"),
)
"""They cost what their rule does on the updates that they have it merge."""

LOOKING_AT_WEIGHTS = ("realign", "hold_realigned")
