"""The configuration of a run.

``load_config`` merges ``config/config.yaml``, ``config/datasets/<dataset>.yaml``, ``config/models/*.yaml`` and the
overrides, in this order, against the structured schema in ``schema``;
nothing unknown, mistyped or out of range gets through.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from canids.errors import ConfigError
from canids.schema import Config
from canids.training_data import chosen

TEMPLATE = "custom"  # a dataset to copy or to fill in: it can be chosen, and is listed nowhere


def known_datasets(config_folder: Path) -> list[str]:
    """Names of the datasets that have a file in ``<config_folder>/datasets``, without the template."""
    return sorted(path.stem for path in (config_folder / "datasets").glob("*.yaml") if path.stem != TEMPLATE)


def load_config(config_folder: Path, overrides: Sequence[str] = ()) -> DictConfig:
    """The resolved, read-only configuration.

    Args:
        config_folder: holds ``config.yaml``, ``datasets/`` and ``models/``.
        overrides: OmegaConf dot-list, such as ``["dataset=hcrl_sa", "models.gat.dropout=0.1"]``.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type or is out of range.
    """
    base = _read_yaml(config_folder / "config.yaml")
    for override in overrides:
        if "=" not in override:
            raise ConfigError(f"'{override}' is not a setting; write key=value, such as models.gat.dropout=0.1")
    layer = _parse_overrides([o for o in overrides if not o.startswith("dataset=")])
    names = [o.partition("=")[2] for o in overrides if o.startswith("dataset=")]
    dataset = names[-1] if names else base.get("dataset")
    known = known_datasets(config_folder)
    if dataset not in [*known, TEMPLATE]:
        template = config_folder / "datasets" / f"{TEMPLATE}.yaml"
        own = f"; for captures of your own, copy {template}" if template.is_file() else ""
        raise ConfigError(f"dataset: unknown dataset '{dataset}'; known: {', '.join(known)}{own}")
    base.pop("dataset", None)
    layers = [
        base,
        {"dataset": {"name": dataset, **_read_yaml(config_folder / "datasets" / f"{dataset}.yaml")}},
        *({"models": {path.stem: _read_yaml(path)}} for path in sorted((config_folder / "models").glob("*.yaml"))),
        layer,
    ]
    config = OmegaConf.structured(Config)
    for each in layers:
        try:
            config = _merged(config, each, Config)
        except TypeError as error:  # a list where a mapping belongs, or the reverse
            raise ConfigError(f"{' '.join(overrides)}: cannot be merged: {error}") from None
    try:
        OmegaConf.resolve(config)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}") from None
    _check_values(config, Config, "")
    config.training_data = chosen(config.training_data, config.dataset.simulated)
    seeds = list(config.seeds)
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds: given {seeds}, allowed: one or more different seeds, each at least 0")
    _check_synthesis(config.synthesis)
    _check_lengths(config.fleet, "fleet", "drive")
    graph = config.graph
    if graph.seconds:
        reach = math.ceil(graph.seconds / (graph.stride_seconds or graph.seconds))
    else:
        reach = math.ceil(graph.window / graph.stride)
    if graph.block <= reach:
        raise ConfigError(
            f"graph.block: given {graph.block}, allowed: more than window / stride ({reach}), or guards leave no block"
        )
    OmegaConf.set_readonly(config, True)
    return config


def load_schema(path: Path, schema: type) -> DictConfig:
    """A YAML file by a structured schema of its own: read-only, and checked like the configuration.

    Raises:
        ConfigError: the file is missing or no YAML, a key is unknown, or a value has the wrong type or is out of range.
    """
    content = _read_yaml(path)
    try:
        config = _merged(OmegaConf.structured(schema), content, schema)
        _check_values(config, schema, "")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except TypeError as error:
        raise ConfigError(f"{path}: cannot be merged: {error}") from None
    OmegaConf.set_readonly(config, True)
    return config


def _check_lengths(settings: DictConfig, prefix: str, *names: str) -> None:
    """Refuse a section in which a shortest length is above its longest."""
    for name in names:
        low, high = settings[f"shortest_{name}"], settings[f"longest_{name}"]
        if low > high:
            raise ConfigError(f"{prefix}.shortest_{name}: given {low}, allowed: at most the longest ({high})")


def _check_synthesis(synthesis: DictConfig) -> None:
    _check_lengths(synthesis, "synthesis", "span", "pause", "gap")
    if not any(synthesis.shares.values()):
        raise ConfigError("synthesis.shares: given 0 for every kind, allowed: more for one of them at least")


def section(config: DictConfig, *keys: str) -> dict[str, Any]:
    """Some parts of the configuration as plain values: what a rule declares as its ``params``."""
    return {key: _plain(OmegaConf.select(config, key, throw_on_missing=True)) for key in keys}


def settings_reference(schema: type = Config, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Each setting's (key, default, allowed values, meaning), for the documentation."""
    for entry in dataclasses.fields(schema):
        key = prefix + entry.name
        nested = _nested(schema, entry.name)
        if nested:
            yield from settings_reference(nested, key + ".")
        else:
            default = entry.default if entry.default is not dataclasses.MISSING else entry.default_factory()
            yield key, str(default), _allowed(entry.metadata), entry.metadata["meaning"]


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping that names a key twice, of which YAML's own reading keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> dict:
    if not path.is_file():
        raise ConfigError(
            f"{path}: there is no such file; run from the repository's top folder, or name --config-folder"
        )
    try:
        content = yaml.load(path.read_text(), _UniqueKeys) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: given {type(content).__name__}, allowed: a mapping of settings")
    return content


def _parse_overrides(overrides: Sequence[str]) -> dict:
    try:
        return OmegaConf.to_container(OmegaConf.from_dotlist(list(overrides)))
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(f"{' '.join(overrides)}: cannot be read: {str(error).splitlines()[0]}") from None


def _nested(schema: type, name: str) -> type | None:
    """The dataclass behind a field, or None where the field is a plain value."""
    entry = next(e for e in dataclasses.fields(schema) if e.name == name)
    if dataclasses.is_dataclass(entry.default_factory):
        return entry.default_factory
    return None


def _merged(config: DictConfig, layer: dict, schema: type) -> DictConfig:
    _check_keys(layer, schema, "")
    try:
        return OmegaConf.merge(config, layer)
    except OmegaConfBaseException as error:
        raise ConfigError(_type_message(error, layer, schema)) from None


def _check_keys(layer: dict, schema: type, prefix: str) -> None:
    names = [entry.name for entry in dataclasses.fields(schema)]
    for key, value in layer.items():
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1, cutoff=0.0)
            raise ConfigError(
                f"{prefix}{key}: unknown setting (given {value!r}); nearest known: {prefix}{near[0]}; "
                f"allowed here: {', '.join(names)}"
            )
        nested = _nested(schema, key)
        if nested:
            if not isinstance(value, dict):
                raise ConfigError(f"{prefix}{key}: given {value!r}, allowed: settings {prefix}{key}.<name>=<value>")
            _check_keys(value, nested, f"{prefix}{key}.")


def _type_message(error: OmegaConfBaseException, layer: dict, schema: type) -> str:
    key = error.full_key or "?"
    given = OmegaConf.select(OmegaConf.create(layer), key) if error.full_key else None
    entry = None
    for name in key.split("[")[0].split("."):
        entry = next(e for e in dataclasses.fields(schema) if e.name == name)
        schema = _nested(schema, name)
        if schema is None:
            break  # what follows is a key of the setting's own mapping
    wanted = f"{entry.type}, {_allowed(entry.metadata)}" if _allowed(entry.metadata) else entry.type
    return f"{key}: given {_plain(given)!r}, allowed: {wanted}"


def _allowed(metadata) -> str:
    allowed = [] if metadata["low"] is None else [f"{metadata['low']:g} to {metadata['high']:g}"]
    if metadata["choices"]:
        allowed.append(", ".join(metadata["choices"]) if allowed else "one of " + ", ".join(metadata["choices"]))
    return " or ".join(allowed)


def _is_allowed(value: Any, metadata) -> bool:
    if OmegaConf.is_list(value):
        return all(_is_allowed(each, metadata) for each in value)
    if not metadata["choices"] and metadata["low"] is None:
        return True
    number = isinstance(value, int | float) and metadata["low"] is not None
    return value in metadata["choices"] or (number and metadata["low"] <= value <= metadata["high"])


def _check_values(config: DictConfig, schema: type, prefix: str) -> None:
    for entry in dataclasses.fields(schema):
        value, nested = config[entry.name], _nested(schema, entry.name)
        if nested:
            _check_values(value, nested, f"{prefix}{entry.name}.")
        elif not _is_allowed(value, entry.metadata):
            raise ConfigError(f"{prefix}{entry.name}: given {value!r}, allowed: {_allowed(entry.metadata)}")
