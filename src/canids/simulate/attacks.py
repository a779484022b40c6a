"""Attacks on traffic, simulated or recorded.

Each attack takes frames sorted by time, a span (start and end in s since the first frame) and a random generator. It
returns all frames, sorted by the time at which they are ready to be sent, and the span that it really attacked. Frames
that the attacker sends are labelled; they have yet to pass arbitration, which ``inject`` sees to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from canids.errors import DatasetError
from canids.frames.frames import AttackSpan, Frames
from canids.simulate.arbitration import at_times, priority, transmissions
from canids.simulate.known_ids import SEEN_OFTEN, identifiers, inside, known_ids, number_of, pick
from canids.simulate.pace import Pace, Recorded

DOS, FUZZING, SPOOFING, REPLAY, SUPPRESSION, MASQUERADE = ATTACK_KINDS = (
    "DoS",
    "fuzzing",
    "spoofing",
    "replay",
    "suppression",
    "masquerade",
)
REPLAYED_IDS = (3, 8)
REGULAR = 0.3  # spread of an ID's ln(interval) up to which it counts as periodic
MISSING_PERIODS = 4  # periods of silence after which an ID counts as suppressed
CLUMSY = 0.08  # standard deviation of a masquerade's delays, as a share of the period


RECORDED = Recorded()


def dos(
    frames: Frames, start: float, end: float, rng: np.random.Generator, pace: Pace = RECORDED
) -> tuple[Frames, AttackSpan]:
    """A flood with ID 0, or with the lowest ID of the bus, and empty bytes."""
    lowest = int(np.argmin(priority(frames)))
    known = rng.random() < 0.3
    arbitration_id = int(frames.arbitration_id[lowest]) if known else 0
    times = _times(start, end, pace.dos_gap(rng), 0.2, rng)
    sent = _frames(frames, DOS, times, arbitration_id, known and frames.is_extended[lowest], 8, 0)
    return _merged(frames, sent, DOS, (arbitration_id,))


def fuzzing(
    frames: Frames, start: float, end: float, rng: np.random.Generator, pace: Pace = RECORDED
) -> tuple[Frames, AttackSpan]:
    """Random 11-bit IDs, or at times known IDs, with random payloads."""
    times = _times(start, end, pace.fuzzing_gap(rng), 0.6, rng)
    payload = rng.integers(0, 256, (len(times), _whole_payload(frames).shape[1]))
    if rng.random() < pace.known_ids:
        heard = rng.integers(0, len(frames), len(times))
        numbers, is_extended, dlc = frames.arbitration_id[heard], frames.is_extended[heard], frames.dlc[heard]
    else:
        numbers, is_extended, dlc = rng.integers(0, 0x800, len(times)), False, np.full(len(times), 8)
    payload[np.arange(payload.shape[1]) >= dlc[:, None]] = 0
    sent = _frames(frames, FUZZING, times, numbers, is_extended, dlc, payload)
    return _merged(frames, sent, FUZZING, ())


def spoofing(
    frames: Frames, start: float, end: float, rng: np.random.Generator, pace: Pace = RECORDED
) -> tuple[Frames, AttackSpan]:
    """One known ID, at a multiple of its rate: its newest genuine payload with some bytes set to the attacker's values.

    Raises:
        DatasetError: no ID with a payload is frequent enough.
    """
    known = [
        each
        for each in known_ids(frames)
        if len(each.index) >= SEEN_OFTEN
        and each.period <= (end - start) / 4
        and frames.dlc[each.index].min() > 0
        and frames.timestamp[each.index[0]] - frames.timestamp[0] <= start
    ]
    target = pick(known, "ID to spoof that is frequent enough", start, end, rng)
    times = _times(start, end, pace.spoofing_gap(target.period, rng), 0.05, rng)
    heard = np.searchsorted(frames.timestamp[target.index], frames.timestamp[0] + times, side="right") - 1
    newest = target.index[np.maximum(heard, 0)]
    dlc = frames.dlc[newest]
    payload = _altered(_whole_payload(frames)[newest], int(dlc.min()), False, rng)
    sent = _frames(frames, SPOOFING, times, target.arbitration_id, frames.is_extended[newest], dlc, payload)
    return _merged(frames, sent, SPOOFING, (target.arbitration_id,))


def replay(
    frames: Frames, start: float, end: float, rng: np.random.Generator, _pace: Pace = RECORDED
) -> tuple[Frames, AttackSpan]:
    """Genuine frames of several IDs from an earlier stretch, sent again; over and over if the stretch is short.

    Raises:
        DatasetError: too little was sent before the span.
    """
    length = min(end - start, start)
    begin = rng.uniform(0, start - length)
    stretch = inside(frames, np.flatnonzero(~frames.attack), begin, begin + length)
    identifier = identifiers(frames)
    heard, counts = np.unique(identifier[stretch], return_counts=True)
    wanted = int(rng.integers(REPLAYED_IDS[0], REPLAYED_IDS[1] + 1))
    if len(heard) < REPLAYED_IDS[0]:
        raise DatasetError(f"fewer than {REPLAYED_IDS[0]} IDs were sent before {start:.3f} s; replay later")
    # frequent IDs are likelier: an attacker replays what does something
    chosen = rng.choice(heard, min(wanted, len(heard)), replace=False, p=np.sqrt(counts) / np.sqrt(counts).sum())
    stretch = stretch[np.isin(identifier[stretch], chosen)]
    rounds = int(np.ceil((end - start) / length))
    shift = start - begin + length * np.repeat(np.arange(rounds), len(stretch))
    source = np.tile(stretch, rounds)
    times = frames.timestamp[source] - frames.timestamp[0] + shift + np.abs(rng.normal(0, 0.2e-3, len(source)))
    source, times = source[times <= end], times[times <= end]
    columns = (frames.arbitration_id, frames.is_extended, frames.dlc, _whole_payload(frames))
    sent = _frames(frames, REPLAY, times, *(column[source] for column in columns))
    return _merged(frames, sent, REPLAY, tuple(number_of(each) for each in np.sort(chosen)))


def suppression(
    frames: Frames, start: float, end: float, rng: np.random.Generator, _pace: Pace = RECORDED
) -> tuple[Frames, AttackSpan]:
    """All frames of one periodic ID are missing. No frame is labelled; the span runs from the fourth missing frame,
    for a late one is not yet a missing one, to the first frame that is sent again (or the capture's end).

    Raises:
        DatasetError: no periodic ID is frequent enough.
    """
    known = [
        (each, missing)
        for each in known_ids(frames)
        if len(each.index) >= SEEN_OFTEN and each.spread <= REGULAR and each.period <= (end - start) / 5
        if len(missing := inside(frames, each.index, start, end))
    ]
    target, missing = pick(known, "periodic ID to suppress", start, end, rng)
    time = frames.timestamp - frames.timestamp[0]
    before = target.index[target.index < missing[0]]
    after = target.index[target.index > missing[-1]]
    span = AttackSpan(
        start=float((time[before[-1]] if len(before) else 0.0) + MISSING_PERIODS * target.period),
        end=float(time[after[0]] if len(after) else time[-1]),
        kind=SUPPRESSION,
        arbitration_ids=(target.arbitration_id,),
    )
    return frames.take(np.delete(np.arange(len(frames)), missing)), span


def masquerade(
    frames: Frames, start: float, end: float, rng: np.random.Generator, _pace: Pace = RECORDED
) -> tuple[Frames, AttackSpan]:
    """The genuine frames of one periodic ID give way to the attacker's, at the same times or slightly late, with a
    payload that is frozen or partly altered.

    Raises:
        DatasetError: no periodic ID with a changing payload is frequent enough.
    """
    whole = _whole_payload(frames)
    known = [
        (each, replaced)
        for each in known_ids(frames)
        if len(each.index) >= SEEN_OFTEN and each.spread <= REGULAR and each.period <= (end - start) / 5
        if len(replaced := inside(frames, each.index, start, end)) > 1 and frames.dlc[replaced].min() > 0
        if np.any(whole[replaced[1:]] != whole[replaced[:-1]], axis=1).mean() > 0.2
    ]
    target, replaced = pick(known, "periodic ID with a changing payload", start, end, rng)
    payload, timestamp = whole.copy(), frames.timestamp.copy()
    attack, attack_type = frames.attack.copy(), frames.attack_type.copy()
    if rng.random() < 0.5:
        payload[replaced] = payload[replaced[0]]
    else:
        payload[replaced] = _altered(payload[replaced], int(frames.dlc[replaced].min()), rng.random() < 0.5, rng)
    if rng.random() < 0.5:
        late = np.abs(rng.normal(0, CLUMSY, len(replaced)))
        timestamp[replaced] += target.period * np.minimum(late, 0.4)
    attack_types, kind = _types_with(frames, MASQUERADE)
    attack[replaced], attack_type[replaced] = True, kind
    long = None if frames.payload_fd is None else payload
    disguised = replace(
        frames,
        payload=payload[:, :8],
        payload_fd=long,
        attack=attack,
        attack_type=attack_type,
        attack_types=attack_types,
    )
    time = timestamp[replaced] - frames.timestamp[0]
    span = AttackSpan(float(time.min()), float(time.max()), MASQUERADE, (target.arbitration_id,))
    return at_times(disguised, timestamp), span


Attack = Callable[[Frames, float, float, np.random.Generator, Pace], tuple[Frames, AttackSpan]]
ATTACKS: dict[str, Attack] = {
    DOS: dos,
    FUZZING: fuzzing,
    SPOOFING: spoofing,
    REPLAY: replay,
    SUPPRESSION: suppression,
    MASQUERADE: masquerade,
}


def inject(
    frames: Frames,
    kind: str,
    spans: Sequence[tuple[float, float]],
    rng: np.random.Generator,
    pace: Pace = RECORDED,
) -> tuple[Frames, list[AttackSpan]]:
    """The frames under an attack of one kind in each span, after arbitration, and the spans really attacked.

    Genuine frames that the attack does not get in the way of keep their timestamps exactly. That holds on recorded
    traffic too, whose timestamps are not quite those of our arbitration, since what the attack adds is the difference
    between arbitration with and without it.

    Args:
        frames: simulated or recorded, sorted by time.
        kind: one of ATTACKS.
        spans: (start, end) in s since the first frame.
        pace: how fast the attacker sends.

    Raises:
        DatasetError: the kind is unknown, a span is not within the capture, or no ID is fit for the attack.
    """
    if kind not in ATTACKS:
        raise DatasetError(f"unknown attack '{kind}'; known: {', '.join(ATTACKS)}")
    length = float(frames.timestamp[-1] - frames.timestamp[0]) if len(frames) else 0.0
    attacked: list[AttackSpan] = []
    for start, end in spans:
        if not 0 <= start < end <= length:
            raise DatasetError(f"attack from {start:g} s to {end:g} s: not within the capture of {length:g} s")
        frames, span = ATTACKS[kind](frames, start, end, rng, pace)
        attacked.append(span)
    sent = transmissions(frames)
    genuine = ~frames.attack
    undisturbed = frames.take(genuine)
    delay = np.maximum(sent[genuine] - transmissions(undisturbed), 0.0)
    sent[genuine] = undisturbed.timestamp + delay
    return at_times(frames, sent), [_after_arbitration(frames, sent, span) for span in attacked]


def _after_arbitration(frames: Frames, sent: np.ndarray, span: AttackSpan) -> AttackSpan:
    """The span from its first to its last labelled frame, now that they are sent at other times."""
    if span.kind == SUPPRESSION:
        return span
    time = frames.timestamp - frames.timestamp[0]
    labelled = frames.attack & (time >= span.start) & (time <= span.end)
    moved = sent[labelled] - frames.timestamp[0]
    return replace(span, start=float(moved.min()), end=float(moved.max()))


def _times(start: float, end: float, gap: float, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) ascending times within a span; gaps vary by up to ±jitter of their mean."""
    count = max(1, int((end - start) / gap / (1 - jitter)) + 1)
    times = start + np.cumsum(gap * rng.uniform(1 - jitter, 1 + jitter, count))
    # a span shorter than a gap still gets its one frame
    return np.minimum(times[: max(1, int(np.searchsorted(times, end, side="right")))], end)


def _altered(payload: np.ndarray, dlc: int, shifted: bool, rng: np.random.Generator) -> np.ndarray:
    """(n, 8 or 64) payloads of which one to half of the first ``dlc`` bytes are shifted by, or set to, other values."""
    altered = payload.copy()
    count = int(rng.integers(1, max(1, dlc // 2) + 1))
    for byte in rng.choice(dlc, count, replace=False):
        base = altered[:, byte] if shifted else altered[:1, byte]
        altered[:, byte] = base + np.uint8(rng.integers(1, 256))
    return altered


def _whole_payload(frames: Frames) -> np.ndarray:
    """(n, 8) uint8, or (n, 64) where some frame has more than 8 bytes."""
    return frames.payload if frames.payload_fd is None else frames.payload_fd


def _types_with(frames: Frames, kind: str) -> tuple[tuple[str, ...], int]:
    types = frames.attack_types if kind in frames.attack_types else (*frames.attack_types, kind)
    return types, types.index(kind)


def _frames(frames: Frames, kind: str, times, arbitration_id, is_extended, dlc, payload) -> Frames:
    """The attacker's frames at (n,) times (s since the first frame); the other columns may be one value for all."""
    count = len(times)
    whole = np.zeros((count, _whole_payload(frames).shape[1]), np.uint8)
    whole[:, : np.shape(payload)[-1] if np.ndim(payload) else 8] = payload
    attack_types, number = _types_with(frames, kind)
    return Frames(
        timestamp=frames.timestamp[0] + times,
        arbitration_id=np.full(count, arbitration_id, np.uint32),
        is_extended=np.full(count, is_extended, bool),
        dlc=np.full(count, dlc, np.uint8),
        payload=whole[:, :8],
        attack=np.ones(count, bool),
        attack_type=np.full(count, number, np.int8),
        attack_types=attack_types,
        payload_fd=None if frames.payload_fd is None else whole,
    )


def _merged(frames: Frames, sent: Frames, kind: str, ids: tuple[int, ...]) -> tuple[Frames, AttackSpan]:
    """All frames in time order, and the span from the attacker's first to last frame."""
    columns = ["timestamp", "arbitration_id", "is_extended", "dlc", "payload", "attack", "attack_type"]
    columns += [] if frames.payload_fd is None else ["payload_fd"]
    both = {name: np.concatenate([getattr(frames, name), getattr(sent, name)]) for name in columns}
    time = sent.timestamp - frames.timestamp[0]
    span = AttackSpan(float(time.min()), float(time.max()), kind, ids)
    merged = replace(frames, attack_types=sent.attack_types, **both)
    return merged.sorted_by_time()[0], span
