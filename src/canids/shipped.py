"""Where the cascade that ships inside the package lies, and what its files are called."""

from __future__ import annotations

from pathlib import Path

from canids.evaluation.thresholds import POINTS_FILE
from canids.fusion.names import ALTERNATIVES_FILE, CALIBRATION_FILE

PRETRAINED = "pretrained"  # the folder's name, the target's, and that of the variant that is trained for it
SHIPPED = Path(__file__).parent / PRETRAINED
SCALE = "student"
RECORD = "pretrained.json"
MODEL_FILES = ("model.safetensors", "config.yaml")
PARTS = {
    "vgae": MODEL_FILES,
    "gat": MODEL_FILES,
    "fusion": (*MODEL_FILES, ALTERNATIVES_FILE, CALIBRATION_FILE),
    "evaluation": (POINTS_FILE,),
}
# (part, file's name) → where it lies beneath the shipped folder: as beneath a seed's.
FILES = {(part, name): f"{part}-{SCALE}/{name}" for part, names in PARTS.items() for name in names}
