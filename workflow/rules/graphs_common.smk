# What the rules ask of graph stores: which a variant has, and which rule makes them.


def test_stores(scenarios):
    return [f"{GRAPHS}/{scenario}.safetensors" for scenario in scenarios]


def graph_rules():
    """(rule's name, variants, test scenarios): a rule for each set of graph stores that the variants make."""
    alike = {}
    for variant in VARIANTS.values():
        if PLACES[variant.folder]["graphs"] == variant.folder:
            alike.setdefault(variant.test_scenarios, []).append(variant.folder)
    return [
        (f"graphs_{number}" if number else "graphs", variants, scenarios)
        for number, (scenarios, variants) in enumerate(alike.items())
    ]


def tested_stores(variant):
    """The test stores of a variant."""
    scenarios = VARIANTS[variant].test_scenarios
    return [placed(variant, "graphs", each) for each in test_stores(scenarios)]


def all_stores(wildcards):
    """The fitting and the test stores of a job's variant."""
    return made_by("graphs", FITTING_STORES)(wildcards) + tested_stores(
        wildcards.dataset
    )


def of_tested(find):
    """Input: of the variant that holds the test stores of a job's other dataset, what a function finds of it."""
    return lambda wildcards: find(SETTINGS.tested[wildcards.other])
