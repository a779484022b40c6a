"""The slow and obvious way to compute what ``canids.graphs`` computes: dicts, loops, one frame at a time."""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from canids.frames.frames import Frames
from canids.graphs.statistics import CHANNELS, STATISTICS

EXTENDED = 1 << 31
FINEST = 1e-6  # s


@dataclass
class Fact:
    """A frame and what precedes it; None where nothing does. ``bits`` and ``flips``: indices of the bits set."""

    key: int
    previous: int | None
    log_interval: float | None
    repeats: bool | None
    bits: frozenset
    flips: frozenset


def key_of(frames: Frames, i: int) -> int:
    return int(frames.arbitration_id[i]) + (EXTENDED if frames.is_extended[i] else 0)


def facts_of(frames: Frames) -> list[Fact]:
    facts, last = [], {}
    for i in range(len(frames)):
        key = key_of(frames, i)
        bits = frozenset(8 * byte + bit for byte in range(8) for bit in range(8) if frames.payload[i, byte] >> bit & 1)
        before = last.get(key)
        if before is None:
            fact = Fact(key, None, None, None, bits, frozenset())
        else:
            # kept in single precision, so that ties stay ties
            seconds = max(float(frames.timestamp[i]) - float(frames.timestamp[before]), FINEST)
            same = bytes(frames.payload[i]) == bytes(frames.payload[before]) and frames.dlc[i] == frames.dlc[before]
            flips = bits ^ facts[before].bits
            fact = Fact(key, None, float(np.float32(math.log(seconds))), bool(same), bits, flips)
        fact.previous = key_of(frames, i - 1) if i else None
        facts.append(fact)
        last[key] = i
    return facts


def windows_of(count: int, window: int, stride: int) -> list[range]:
    """Frame numbers of each whole window."""
    found, start = [], 0
    while start + window <= count:
        found.append(range(start, start + window))
        start += stride
    return found


def nodes_of(keys: list[int]) -> dict[int, int]:
    """Key → frames, in order of first appearance."""
    nodes: dict[int, int] = {}
    for key in keys:
        nodes[key] = nodes.get(key, 0) + 1
    return nodes


def edges_of(keys: list[int]) -> dict[tuple[int, int], int]:
    """(source, target) → how often the target followed the source, in order of first appearance."""
    edges: dict[tuple[int, int], int] = {}
    for i in range(1, len(keys)):
        pair = (keys[i - 1], keys[i])
        edges[pair] = edges.get(pair, 0) + 1
    return edges


class Profile:
    """What is usual for each ID, learned from the facts of some frames."""

    def __init__(self, facts: list[Fact]):
        counts = Counter(fact.key for fact in facts)
        enough = min(2, max(counts.values()))
        self.known = {key for key, count in counts.items() if count >= enough}
        self.share = {key: counts[key] / len(facts) for key in self.known}
        self.of = {key: [fact for fact in facts if fact.key == key] for key in self.known}
        self.followers = {key: [f for f in self.of[key] if f.repeats is not None] for key in self.known}
        self.bits = {key: Counter(bit for fact in self.of[key] for bit in fact.bits) for key in self.known}
        self.flips = {key: Counter(bit for fact in self.followers[key] for bit in fact.flips) for key in self.known}
        self.limits = {key: interval_limits([f.log_interval for f in self.followers[key]]) for key in self.known}
        self.successors = defaultdict(Counter)
        for fact in facts:
            self.successors[self.name(fact.previous)][self.name(fact.key)] += 1

    def name(self, key: int | None) -> int | None:
        return key if key in self.known else None

    def transition(self, previous: int | None, key: int | None) -> float:
        row = self.successors[self.name(previous)]
        return surprise(row[self.name(key)], sum(row.values()), len(self.known) + 1)


def surprise(count: int, total: int, outcomes: int) -> float:
    return -math.log((count + 0.5) / (total + 0.5 * outcomes))


def bits_surprise(bits: frozenset, ones: Counter, total: int) -> float:
    """Surprise at 64 bits, each taken by itself; ``ones``: how often each was set."""
    return sum(surprise(ones[bit] if bit in bits else total - ones[bit], total, 2) for bit in range(64))


def interval_limits(log_intervals: list[float]) -> dict[str, float]:
    n = len(log_intervals)
    if n == 0:
        return {"median": 0.0, "shortest": -math.inf, "longest": math.inf, "narrow": False}
    median = float(np.median(log_intervals))
    mad = float(np.median([abs(each - median) for each in log_intervals]))
    margin = 1.5 / math.sqrt(n / 10)
    narrow = mad < 0.15 and n >= 20
    if narrow:
        shortest = max(float(np.quantile(log_intervals, 0.01)), median - 6 * mad - 0.1)
    else:
        shortest = min(log_intervals) - margin
    return {"median": median, "shortest": shortest, "longest": max(log_intervals) + margin, "narrow": narrow}


def channels_of(fact: Fact, profile: Profile) -> dict[str, float | None]:
    """The channels of a frame; the interval is None where there is none, everything is 0 for an unseen ID."""
    channels = dict.fromkeys(CHANNELS, 0.0)
    channels["interval"] = None
    if fact.key not in profile.known:
        return channels
    own, followers, limits = (each[fact.key] for each in (profile.of, profile.followers, profile.limits))
    if fact.repeats is not None:
        channels["interval"] = fact.log_interval - limits["median"]
        channels["fast"] = max(0.0, limits["shortest"] - fact.log_interval)
        alike = sum(f.repeats == fact.repeats for f in followers)
        channels["repeat"] = surprise(alike, len(followers), 2)
        channels["flips"] = bits_surprise(fact.flips, profile.flips[fact.key], len(followers))
    channels["bits"] = bits_surprise(fact.bits, profile.bits[fact.key], len(own))
    channels["transition"] = profile.transition(fact.previous, fact.key)
    return channels


def statistics_of(facts: list[Fact], profile: Profile) -> dict[int, dict[str, float]]:
    """Key → statistics of a window's nodes, in order of first appearance."""
    found = {}
    for key, count in nodes_of([fact.key for fact in facts]).items():
        found[key] = dict.fromkeys(STATISTICS, 0.0)
        if key not in profile.known:
            continue
        mine = [channels_of(fact, profile) for fact in facts if fact.key == key]
        intervals = [each["interval"] for each in mine if each["interval"] is not None]
        found[key]["share"] = math.log(count / len(facts) / profile.share[key])
        if intervals:
            found[key]["interval_mean"] = sum(intervals) / len(intervals)
            found[key]["interval_min"] = min(intervals)
            found[key]["interval_max"] = max(intervals)
        found[key]["fast_max"] = max(each["fast"] for each in mine)
        found[key]["fast_share"] = sum(each["fast"] > 0 for each in mine) / count
        for name in ("repeat", "flips", "bits", "transition"):
            found[key][f"{name}_mean"] = sum(each[name] for each in mine) / count
            found[key][f"{name}_max"] = max(each[name] for each in mine)
    return found


def silence_of(frames: Frames, last: int, profile: Profile) -> tuple[float, float]:
    """Largest ln(time since a narrow ID was last heard / its longest usual interval) up to a frame, from 0 to 4; and
    ln(1 + how many are above 1)."""
    found = [0.0]
    for key in profile.known:
        heard = [float(frames.timestamp[i]) for i in range(last + 1) if key_of(frames, i) == key]
        gap = float(frames.timestamp[last]) - heard[-1] if heard else 0.0
        if gap > 0 and profile.limits[key]["narrow"]:
            found.append(math.log(gap) - profile.limits[key]["longest"])
    return min(max(found), 4.0), math.log(1 + sum(each > 1 for each in found))
