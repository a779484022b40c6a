# What the rules ask of trainings: the files of a model, what it learns from, and what ships.
from canids.sampling_strategies import needs_vgae
from canids.shipped import FILES, PARTS, SCALE
from canids.variants import batch_settings


def model_files(model, scale="{scale}"):
    """The files of a trained model's folder."""
    folder = MODEL.replace("{model}", model).replace("{scale}", scale)
    return {
        "model": f"{folder}/model.safetensors",
        "config": f"{folder}/config.yaml",
        "metrics": f"{folder}/metrics.json",
        "history": f"{folder}/history.csv",
    }


def state_dict(model, scale="{scale}"):
    """A trained model's state dict; its configuration lies beside it."""
    return model_files(model, scale)["model"]


def sampling_guide(wildcards):
    """The teacher VGAE, where the GAT's sampling strategy asks it."""
    if needs_vgae(VARIANTS[wildcards.dataset].config.models.gat.sampling):
        return made_by("vgae-teacher", [state_dict("vgae", "teacher")])(wildcards)
    return []


def batch_size(model, scale):
    """Input: what a training's batches were measured to hold, where the settings do not say it."""

    def path(wildcards):
        if VARIANTS[wildcards.dataset].config.models[model].node_budget != "auto":
            return []
        measured = artifact(BATCH_SIZE, model=model, scale=scale)
        return made_by(f"{model}-{scale}", [measured])(wildcards)

    return path


def guides(wildcards):
    """The models that a training learns from."""
    if wildcards.scale == "student":
        teacher = state_dict(wildcards.model, "teacher")
        return made_by("{model}-teacher", [teacher])(wildcards)
    return sampling_guide(wildcards) if wildcards.model == "gat" else []


def measured_settings(key):
    """Params: the settings of the training that is measured."""
    return lambda wildcards: batch_settings(
        settled(wildcards.dataset), wildcards.model, wildcards.scale
    )[key]


def devices(wildcards):
    """Processes that train a model together."""
    return VARIANTS[wildcards.dataset].config.trainer.devices


def trained_parts():
    """Part → the files of the cascade that ships, where the variant that is trained for it has them."""
    files = {part: [] for part in PARTS}
    for part, name in FILES:
        pattern = EVALUATION if part == "evaluation" else MODEL
        made = "states" if name == CALIBRATION_FILE else part
        folder = placed(PRETRAINED, f"{made}-{SCALE}", pattern)
        where = {"model": part, "scale": SCALE, "seed": SEEDS[0]}
        files[part].append(artifact(f"{folder}/{name}", **where))
    return files
