"""Train/validation split of the training captures: whole blocks of time, guard gaps, every attack type on each side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from canids.frames.frames import ATTACK_FREE

ROLES = ("train", "select", "fuse", "calibrate", "test")
GUARD = -1
VALIDATION_ROLES = (1, 2, 3)


def split_blocks(
    attack_types: Sequence[np.ndarray],
    block: int,
    validation_share: float,
    guard: int,
    seed: int,
) -> list[np.ndarray]:
    """Give each window of each training capture a role.

    The validation share is cut in three: ``select`` stops the training and selects the state, ``fuse`` trains the
    fusion on scores of windows that no model was fitted on, ``calibrate`` calibrates and sets thresholds. Blocks are
    dealt out by attack type (attacked blocks) and by capture (attack-free ones), so that each role sees each.

    Args:
        attack_types: per capture, (w,) name of each window's attack type, ``ATTACK_FREE`` where there is none.
        block: windows in a block.
        validation_share: share of the blocks that validate.
        guard: windows dropped where one role borders on another.
        seed: of the choice of blocks.

    Returns:
        Per capture, (w,) int8: index into ``ROLES``, or ``GUARD``.
    """
    rng = np.random.default_rng(seed)
    strata: dict[tuple[str, int | str], list[tuple[int, int]]] = {}
    for capture, windows in enumerate(attack_types):
        attacked = np.flatnonzero(windows != ATTACK_FREE)
        numbers, first = np.unique(attacked // block, return_index=True)
        attack_of = dict(zip(numbers.tolist(), windows[attacked[first]].tolist(), strict=True))
        for number in range(-(-len(windows) // block)):
            stratum = ("attack", attack_of[number]) if number in attack_of else (ATTACK_FREE, capture)
            strata.setdefault(stratum, []).append((capture, number))
    role_of = {}
    for stratum in sorted(strata, key=str):
        blocks = [strata[stratum][i] for i in rng.permutation(len(strata[stratum]))]
        for each, role in zip(blocks, _deal(len(blocks), validation_share), strict=True):
            role_of[each] = role
    roles = []
    for capture, windows in enumerate(attack_types):
        of_blocks = np.array([role_of[capture, number] for number in range(-(-len(windows) // block))], np.int8)
        roles.append(_with_guards(np.repeat(of_blocks, block)[: len(windows)], guard))
    return roles


def roles_at(
    start: np.ndarray, end: np.ndarray, role: np.ndarray, copy_start: np.ndarray, copy_end: np.ndarray
) -> np.ndarray:
    """Roles of the windows of an attacked copy of a recording, whose frames lie elsewhere but whose clock is the same.

    Args:
        start, end, role: (w,) of the recording's windows, s. copy_start, copy_end: (v,) of the copy's.

    Returns:
        (v,) int8: the one role that the recording has throughout the copy's window, else ``GUARD``.
    """
    first = np.clip(np.searchsorted(end, copy_start), 0, len(role) - 1)
    last = np.clip(np.searchsorted(start, copy_end, side="right") - 1, 0, len(role) - 1)
    changes = np.concatenate([[0], np.cumsum(np.diff(role) != 0)])
    last = np.maximum(last, first)
    return np.where(changes[first] == changes[last], role[first], GUARD).astype(np.int8)


def split_vehicles(vehicles: Sequence[str], validation_share: float, seed: int) -> dict[str, int]:
    """One role for each vehicle, index into ``ROLES``: where there are many, validation is on vehicles never seen."""
    names = sorted(set(vehicles))
    shuffled = np.random.default_rng(seed).permutation(names).tolist()
    return dict(zip(shuffled, _deal(len(names), validation_share) if names else [], strict=True))


def _deal(blocks: int, validation_share: float) -> list[int]:
    """Roles of so many shuffled blocks: training first served, then each validation role as evenly as it goes."""
    validation = min(max(round(blocks * validation_share), len(VALIDATION_ROLES)), blocks - 1)
    return [VALIDATION_ROLES[i % len(VALIDATION_ROLES)] for i in range(validation)] + [0] * (blocks - validation)


def _with_guards(role: np.ndarray, guard: int) -> np.ndarray:
    """Drop the windows on the training side of each border; between two validation roles, those after it."""
    guarded = role.copy()
    for border in np.flatnonzero(np.diff(role)) + 1:
        if role[border - 1] == 0:
            guarded[max(border - guard, 0) : border] = GUARD
        else:
            guarded[border : border + guard] = GUARD
    return guarded
