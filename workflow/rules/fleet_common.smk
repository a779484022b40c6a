# What the rules ask of simulated fleets: which there are, and what of one is trained on.
from canids.simulate.fleet import fleet_parts, fleet_tables
from canids.variants import fleet_of, fleet_settings, trains_on_fleet

FLEETS = {fleet_of(v.config): v.config for v in VARIANTS.values()}


def fleet_parts_used(variant):
    """The folders of the simulated fleet, if it is trained on."""
    config = VARIANTS[variant].config
    if not trains_on_fleet(config):
        return []
    return [
        artifact(FLEET_PART, fleet=fleet_of(config), part=part)
        for part in fleet_parts(config.fleet)
    ]


def fleet_tables_used(variant):
    """The frame tables of the simulated fleet, if it is trained on."""
    return [
        f"{folder}/{name}"
        for part, folder in enumerate(fleet_parts_used(variant))
        for name in fleet_tables(VARIANTS[variant].config.fleet, part)
    ]


def simulated_with(key):
    """Params: the settings that a fleet is simulated with."""
    return lambda wildcards: fleet_settings(FLEETS[wildcards.fleet])[key]
