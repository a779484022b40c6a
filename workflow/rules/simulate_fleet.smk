# A simulated fleet: drives of vehicles that no dataset holds, and attacked copies of them. Datasets and variants
# share it.


rule simulate_fleet:
    output:
        folder=directory(FLEET_PART),
    log:
        f"{FLEET_LOGS}/logs/part-{{part}}.log",
    benchmark:
        f"{FLEET_LOGS}/benchmarks/part-{{part}}.tsv"
    threads: 1
    resources:
        mem_mb=by_size(2000),
        runtime=by_size(60),
    params:
        fleet=simulated_with("fleet"),
        synthesis=simulated_with("synthesis"),
        code=CODE["simulate_fleet"],
    message:
        "simulate vehicles of the fleet, part {wildcards.part}"
    script:
        "../scripts/simulate_fleet.py"
