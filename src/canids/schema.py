"""The one place where a setting has a name, a type, a default, a range and a unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from canids.sampling_strategies import STRATEGIES
from canids.training_data import AUTO, CHOICES


def setting(default: Any, meaning: str, low: float | None = None, high: float | None = None, choices: Sequence = ()):
    """A field with its meaning and what it may hold: a closed range, or one of some choices."""
    allowed = {"meaning": meaning, "low": low, "high": high, "choices": tuple(choices)}
    if callable(default):
        return field(default_factory=default, metadata=allowed)
    return field(default=default, metadata=allowed)


EPOCH_WINDOWS = "most windows that an epoch trains on; of more, each epoch draws others"
NODE_BUDGET = "most nodes in a batch; auto: what the device bears, measured before (batch_size.json)"
READING_DROPOUT = "chance that a training window loses one of its two readings; a third of it, that it loses both"


@dataclass
class Reading:
    time_unit: str = setting("s", "unit of times that the format does not fix", choices=("s", "ms", "us", "ns"))
    channel: str | None = setting(None, "the only bus to read of logs of several, as they name it; null reads all")
    columns: dict[str, str] = setting(
        dict, "field (timestamp, arbitration_id, dlc, data_field, attack, attack_type): the tables' own column for it"
    )
    number_base: str = setting("auto", "of IDs, and of bytes in own columns", choices=("auto", "hex", "decimal"))
    frame_interval: float = setting(0.0, "time between frames of logs without times (s); 0 refuses them", 0.0, 10.0)
    attack_intervals: str | None = setting(
        None,
        "file of intervals whose frames are attacks, for logs without labels: CSV (capture, start, end; optional "
        "arbitration_ids, kind), or ROAD's capture_metadata.json",
    )


@dataclass
class RemoteFile:
    url: str = setting("", "direct link (http or https)")
    bytes: int = setting(0, "its size", 0, 1 << 50)
    sha256: str | None = setting(None, "its SHA-256; null where it is not known and md5 is")
    md5: str | None = setting(None, "its MD5, of publishers that tell no other checksum")
    unpack: str | None = setting(None, "folder in the archive whose content is the dataset's; null for a plain file")


@dataclass
class Dataset:
    name: str = setting("", "name of the dataset, and of its folder under results/")
    title: str = setting("", "what the dataset is, in one line")
    source: str = setting("", "where to obtain it")
    licence: str = setting("", "its licence")
    obtain: str = setting("", "how to obtain it by hand, and what to put where")
    files: dict[str, RemoteFile] = setting(dict, "what `canids fetch` downloads, by file name")
    folder: str = setting("", "captures lie in <folder>/<scenario>/<capture>.<suffix of a format>[.gz …]")
    publishers_folder: str | None = setting(None, "the folder as its publisher calls it, used where only that is there")
    scenarios: dict[str, list[str]] = setting(
        dict, "scenario: globs of its captures beneath the folder, for other layouts; a file counts for the first"
    )
    simulated: bool = setting(False, "made by `canids simulate` rather than obtained")
    train: list[str] = setting(list, "scenarios to train on")
    test: list[str] = setting(list, "scenarios to test on")
    profile: list[str] = setting(
        list, "scenarios whose attack-free captures give their vehicles' known profiles, and are not trained on"
    )
    optional: list[str] = setting(list, "scenarios that may be missing: not every edition of the dataset has them")
    expected: dict[str, list[str]] = setting(dict, "scenario: globs of the captures that the complete dataset has")
    captures: list[str] = setting(lambda: ["*"], "globs over <scenario>/<capture>: which captures to use")
    vehicles: dict[str, str] = setting(dict, "vehicle: glob over <scenario>/<capture>; the first that fits")
    attacks: dict[str, str] = setting(dict, "attack type: glob over <scenario>/<capture>; the first that fits")
    attack_spans: str | None = setting(None, "CSV with spans of attacks that label no frame (suppression)")
    reading: Reading = field(default_factory=Reading)


@dataclass
class Simulate:
    seed: int = setting(7, "seed of vehicles, traffic and attacks", 0, 2**31)
    seconds: float = setting(16.0, "length of a capture (s)", 2.0, 86400.0)


@dataclass
class Shares:
    dos: float = setting(1.0, "floods with a low ID", 0.0, 1000.0)
    fuzzing: float = setting(1.5, "random IDs, or random payloads of known IDs", 0.0, 1000.0)
    spoofing: float = setting(2.0, "one known ID with a partly altered payload, beside its genuine frames", 0.0, 1000.0)
    replay: float = setting(1.0, "earlier frames of several IDs, sent again", 0.0, 1000.0)
    suppression: float = setting(1.0, "the frames of one ID missing", 0.0, 1000.0)
    masquerade: float = setting(
        1.5, "the frames of one ID replaced by frozen or altered ones, at their times or clumsily late", 0.0, 1000.0
    )


@dataclass
class Synthesis:
    seed: int = setting(0, "seed of the synthesised attacks", 0, 2**31)
    copies: int = setting(2, "attacked copies of each attack-free training capture", 1, 1000)
    shares: Shares = field(default_factory=Shares)
    shortest_span: float = setting(2.0, "shortest attack (s); spans are drawn ln-uniformly", 0.1, 3600.0)
    longest_span: float = setting(12.0, "longest attack (s)", 0.1, 3600.0)
    largest_share: float = setting(0.4, "most of a capture that one attack takes", 0.01, 0.9)
    shortest_pause: float = setting(1.0, "shortest time from one attack to the next (s)", 0.01, 3600.0)
    longest_pause: float = setting(10.0, "longest time from one attack to the next (s)", 0.01, 3600.0)
    from_the_start: float = setting(0.2, "share of the copies that are attacked from their first second on", 0.0, 1.0)
    shortest_gap: float = setting(
        2e-4,
        "shortest mean time from one injected frame to the next (s); drawn ln-uniformly",
        1e-5,
        60.0,
    )
    longest_gap: float = setting(3.0, "longest mean time from one injected frame to the next (s)", 1e-5, 60.0)
    rare: float = setting(
        0.5, "share of the injecting attacks with gaps so long that two frames at most lie among a hundred", 0.0, 1.0
    )
    fewest_frames: int = setting(
        10, "injected frames that a slow attack lasts for, as far as largest_share allows", 1, 100_000
    )
    known_ids: float = setting(0.5, "share of the fuzzing that sends random payloads of known IDs", 0.0, 1.0)


@dataclass
class Fleet:
    seed: int = setting(0, "seed of the vehicles and their drives", 0, 2**31)
    vehicles: int = setting(100, "simulated vehicles", 4, 10_000)
    captures: int = setting(4, "attack-free drives of each; a known profile rests on all but one", 2, 1000)
    copies: int = setting(1, "attacked copies of each drive", 1, 1000)
    shortest_drive: float = setting(8.0, "shortest drive (s); lengths are drawn ln-uniformly", 5.0, 86400.0)
    longest_drive: float = setting(30.0, "longest drive (s)", 5.0, 86400.0)


@dataclass
class Graph:
    window: int = setting(100, "frames in a window; the most in one where windows are cut by time", 4, 255)
    stride: int = setting(100, "frames from one window's start to the next", 1, 10_000)
    seconds: float = setting(0.0, "length of a window (s); 0 cuts windows by frames", 0.0, 3600.0)
    stride_seconds: float = setting(
        0.0, "time from one window's start to the next (s), where they are cut by time; 0 takes `seconds`", 0.0, 3600.0
    )
    warmup: int = setting(
        25, "windows that a capture's own profile is first fitted on; again at each doubling", 4, 100_000
    )
    quarantine: bool = setting(True, "keep windows that do not fit a capture's own profile out of it as it grows")
    block: int = setting(25, "windows in a block of the train/validation split", 4, 100_000)
    validation_share: float = setting(0.3, "share of the training captures' blocks that validate", 0.05, 0.6)
    split_seed: int = setting(0, "seed of the choice of blocks", 0, 2**31)
    duplicates: str = setting(
        "exclude_test",
        "what gives way where a capture to test on is one recording with one to train on: the test or the training",
        choices=("exclude_test", "exclude_training"),
    )
    leave_out: list[str] = setting(
        list,
        "what an ablation takes from the features (their columns are 0): a reading, all z scores, a channel",
        choices=(
            "known", "own", "z",
            "share", "interval", "fast", "repeat", "flips", "bits", "transition", "unseen", "silence",
        ),
    )  # fmt: skip


@dataclass
class VgaeScale:
    hidden: int = setting(16, "channels of an attention head", 2, 4096)
    layers: int = setting(2, "GAT layers of the encoder", 1, 8)
    heads: int = setting(4, "attention heads", 1, 32)
    latent: int = setting(16, "latent dimensions of a node", 2, 512)
    epochs: int = setting(20, "most epochs", 1, 10_000)


@dataclass
class VgaeDistillation:
    latent_weight: float = setting(1.0, "weight of matching the teacher's latent means", 0.0, 1000.0)
    reconstruction_weight: float = setting(1.0, "weight of matching the teacher's reconstruction", 0.0, 1000.0)


@dataclass
class Vgae:
    lr: float = setting(2e-3, "AdamW's learning rate", 1e-7, 1.0)
    weight_decay: float = setting(1e-4, "AdamW's weight decay", 0.0, 1.0)
    dropout: float = setting(0.1, "dropout between layers", 0.0, 0.9)
    reading_dropout: float = setting(0.3, READING_DROPOUT, 0.0, 0.7)
    beta: float = setting(0.01, "weight of the KL term after its warm-up", 0.0, 10.0)
    beta_warmup: int = setting(5, "epochs over which the KL term's weight grows from 0", 0, 10_000)
    edge_weight: float = setting(0.2, "weight of the edge term", 0.0, 100.0)
    neighbourhood_weight: float = setting(0.5, "weight of the neighbourhood term", 0.0, 100.0)
    node_budget: int | str = setting(2048, NODE_BUDGET, 256, 10_000_000, choices=("auto",))
    epoch_windows: int = setting(8_192, EPOCH_WINDOWS, 64, 1_000_000_000)
    patience: int = setting(5, "epochs without a better validation loss before stopping", 1, 10_000)
    distillation: VgaeDistillation = field(default_factory=VgaeDistillation)
    teacher: VgaeScale = field(default_factory=VgaeScale)
    student: VgaeScale = field(default_factory=VgaeScale)


@dataclass
class GatScale:
    hidden: int = setting(16, "channels of an attention head", 2, 4096)
    layers: int = setting(3, "GAT layers", 1, 8)
    heads: int = setting(4, "attention heads", 1, 32)
    epochs: int = setting(20, "most epochs", 1, 10_000)


@dataclass
class Focal:
    gamma: float = setting(2.0, "gamma of the focal loss (1 - p)^gamma CE", 0.0, 10.0)


@dataclass
class Undersampling:
    ratio: float = setting(4.0, "attack-free windows for each attacked one", 0.1, 1000.0)


@dataclass
class Curriculum:
    time_constant: float = setting(5.0, "tau (epochs) of p_t = 1 - exp(-t/tau), from balanced to natural", 0.01, 1e6)
    hard_share: float = setting(0.3, "share of the sampled normal windows that are picked for difficulty", 0.0, 1.0)
    vgae_weight: float = setting(0.5, "weight of the VGAE's score against the GAT's loss in difficulty", 0.0, 1.0)
    refresh: int = setting(3, "epochs between two looks at the GAT's loss", 1, 10_000)


@dataclass
class GatDistillation:
    weight: float = setting(0.7, "lambda in (1-lambda) CE + lambda T^2 KL", 0.0, 1.0)
    temperature: float = setting(3.0, "T in (1-lambda) CE + lambda T^2 KL", 0.1, 100.0)


@dataclass
class Gat:
    lr: float = setting(2e-3, "AdamW's learning rate", 1e-7, 1.0)
    weight_decay: float = setting(1e-3, "AdamW's weight decay", 0.0, 1.0)
    dropout: float = setting(0.2, "dropout between layers", 0.0, 0.9)
    reading_dropout: float = setting(0.3, READING_DROPOUT, 0.0, 0.7)
    node_budget: int | str = setting(2048, NODE_BUDGET, 256, 10_000_000, choices=("auto",))
    epoch_windows: int = setting(16_384, EPOCH_WINDOWS, 64, 1_000_000_000)
    patience: int = setting(6, "epochs without a better validation loss before stopping", 1, 10_000)
    sampling: str = setting(
        "curriculum-vgae",
        "strategy against the imbalance of the teacher's classes: none, a loss, a fixed part of the attack-free "
        "windows, or a curriculum of them; picked at random or by the VGAE",
        choices=STRATEGIES,
    )
    focal: Focal = field(default_factory=Focal)
    undersampling: Undersampling = field(default_factory=Undersampling)
    curriculum: Curriculum = field(default_factory=Curriculum)
    distillation: GatDistillation = field(default_factory=GatDistillation)
    teacher: GatScale = field(default_factory=GatScale)
    student: GatScale = field(default_factory=GatScale)


@dataclass
class Models:
    vgae: Vgae = field(default_factory=Vgae)
    gat: Gat = field(default_factory=Gat)


@dataclass
class Fusion:
    hidden: int = setting(64, "channels of a hidden layer of the Q-network and of the MLP", 4, 4096)
    gamma: float = setting(0.9, "discount of the next window's value", 0.0, 0.999)
    lr: float = setting(1e-3, "Adam's learning rate", 1e-7, 1.0)
    steps: int = setting(3000, "updates; before each, every episode moves on by a window", 100, 100_000_000)
    selection_interval: int = setting(200, "updates between two looks at the windows that select", 1, 1_000_000)
    episodes: int = setting(32, "episodes played at once", 1, 65_536)
    replay: int = setting(100_000, "transitions that the replay buffer holds", 1000, 100_000_000)
    batch: int = setting(256, "transitions in an update", 8, 65_536)
    target_interval: int = setting(200, "updates between two copies into the target network", 1, 1_000_000)
    epsilon_start: float = setting(1.0, "chance of a random action at the start", 0.0, 1.0)
    epsilon_end: float = setting(0.05, "chance of a random action after half of the steps", 0.0, 1.0)
    missed_cost: float = setting(2.0, "cost of a missed attack (a correct decision earns 1)", 0.0, 1000.0)
    false_alarm_cost: float = setting(2.0, "cost of a false alarm (a correct decision earns 1)", 0.0, 1000.0)
    margin_reward: float = setting(0.2, "shaping: what a score far on the right side of 1/2 adds", 0.0, 10.0)
    flicker_cost: float = setting(
        0.2, "shaping: cost of an alarm that begins or ends while the truth stays as it was", 0.0, 10.0
    )
    anchor_cost: float = setting(
        0.1, "shaping: cost of an alpha that is 1 away from the weighted average's; less in proportion", 0.0, 10.0
    )
    ucb: float = setting(0.5, "width of the confidence bound by which the bandit explores", 0.0, 100.0)
    evidence_decay: float = setting(0.8, "what the running evidence keeps from one window to the next", 0.0, 0.999)


@dataclass
class Calibration:
    false_alarms: float = setting(1e-3, "share of attack-free windows that even odds of an attack let alarm", 1e-7, 0.2)


@dataclass
class CusumSettings:
    drift: float = setting(
        -1.0, "log-odds of an attack, of one window, that leave the evidence as it is; higher ones add to it", -5.0, 5.0
    )
    ceiling: float = setting(
        12.0, "most evidence that is kept; the less, the sooner an alarm ends after its attack", 1.0, 1000.0
    )


@dataclass
class Evaluation:
    tolerance: float = setting(0.02, "validation F1s that differ by less are equally good", 0.0, 0.5)
    cusum: CusumSettings = field(default_factory=CusumSettings)
    enrolled_per_hour: float = setting(
        0.5, "false alarms per hour of an enrolled vehicle's cusum that its enrolment aims at", 1e-3, 1000.0
    )


@dataclass
class Tracking:
    tensorboard: str | None = setting(None, "folder that receives TensorBoard's event files; null: none are written")
    mlflow: str | None = setting(None, "folder that receives MLflow's file store; null: none is written")


@dataclass
class Trainer:
    accelerator: str = setting("auto", "device", choices=("auto", "cpu", "cuda"))
    devices: int = setting(1, "processes that train together on one machine, each on a device", 1, 1024)
    num_nodes: int = setting(1, "machines that train together, each started by torchrun", 1, 1024)
    strategy: str = setting("auto", "how they do; auto: ddp where there are several", choices=("auto", "ddp"))
    precision: str = setting("32-true", "numeric precision", choices=("32-true", "bf16-mixed", "16-mixed"))
    deterministic: bool = setting(True, "only deterministic algorithms")
    gradient_clip: float = setting(1.0, "largest norm of a gradient, longer ones are shortened; 0: any", 0.0, 1e9)
    gradient_limit: float = setting(
        1e6, "norm of a gradient, before it is shortened, that stops the training", 1e-9, 1e30
    )
    tracking: Tracking = field(default_factory=Tracking)


@dataclass
class BatchSize:
    safety: float = setting(0.5, "share of the largest batch that fits which is used", 0.05, 1.0)
    least_steps: int = setting(16, "least steps of the optimiser in an epoch", 1, 1_000_000)
    memory_limit: int = setting(4000, "memory that the process may use in all, where there is no GPU (MiB)", 100, 10**9)


@dataclass
class Config:
    dataset: Dataset = field(default_factory=Dataset)
    data_root: str = setting("data", "folder that holds the datasets")
    results: str = setting("results", "folder that receives every artifact")
    seeds: list[int] = setting(lambda: [1], "training seeds")
    evaluate_on: list[str] = setting(list, "other datasets that the trained models are evaluated on as well")
    experiment: str | None = setting(None, "experiment that the target sweep makes, a file of config/experiments")
    strict: bool = setting(False, "stop at a line that cannot be read instead of counting it")
    training_data: str = setting(
        AUTO,
        "what to train and to validate on: labelled attacks, attacks synthesised on attack-free captures (no label is "
        "read), both, or a simulated fleet alone (the dataset's captures give profiles, and are tested on); also with "
        "the fleet beside them; auto: both+fleet, and both for a dataset that is simulated itself",
        choices=CHOICES,
    )
    simulate: Simulate = field(default_factory=Simulate)
    synthesis: Synthesis = field(default_factory=Synthesis)
    fleet: Fleet = field(default_factory=Fleet)
    graph: Graph = field(default_factory=Graph)
    models: Models = field(default_factory=Models)
    fusion: Fusion = field(default_factory=Fusion)
    calibration: Calibration = field(default_factory=Calibration)
    evaluation: Evaluation = field(default_factory=Evaluation)
    trainer: Trainer = field(default_factory=Trainer)
    batch_size: BatchSize = field(default_factory=BatchSize)
