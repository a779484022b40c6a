# Frame tables -> vehicle profiles and graph stores. Variants that test on other scenarios have a rule of their own.

for NAME, MADE_HERE, TEST_SCENARIOS in graph_rules():

    rule:
        name:
            NAME
        input:
            records=lambda w: ingest_records(w.dataset),
            synthesised=lambda w: synthesised_captures(w.dataset),
            fleet=lambda w: fleet_parts_used(w.dataset),
        output:
            stores=[*FITTING_STORES, *test_stores(TEST_SCENARIOS)],
            summary=GRAPHS_SUMMARY,
        log:
            f"{LOGS}/graphs.log",
        benchmark:
            f"{BENCHMARKS}/graphs.tsv"
        wildcard_constraints:
            dataset=any_of(MADE_HERE),
        threads: 2
        resources:
            mem_mb=graphs_memory,
            runtime=by_size(60),
        params:
            **settings_for("graphs"),
            frames=lambda w: per_capture(FRAMES, w.dataset),
            fleet=lambda w: fleet_tables_used(w.dataset),
            profiles=PROFILES,
            code=CODE["graphs"],
        message:
            "build the graphs of {wildcards.dataset}"
        script:
            "../scripts/graphs.py"
