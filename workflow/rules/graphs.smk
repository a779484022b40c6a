# Frame tables -> vehicle profiles and graph stores.


rule graphs:
    input:
        sources=[capture.source for capture in CAPTURES.values()],
        attack_spans=attack_spans(),
        records=[ancient(record) for record in per_capture(INGEST_RECORD)],
        synthesised=synthesised_captures(),
    output:
        stores=STORES,
        summary=f"{GRAPHS}/graphs.json",
    log:
        f"{LOGS}/graphs.log",
    benchmark:
        f"{BENCHMARKS}/graphs.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        frames=per_capture(FRAMES),
        profiles=PROFILES,
        train=list(CONFIG.dataset.train),
        settings=section(CONFIG, "graph"),
        ingest=HOW_INGESTED,
        code=CODE["graphs"],
    message:
        "build the graphs of {wildcards.dataset}"
    script:
        "../scripts/graphs.py"
