# Frame tables -> vehicle profiles and graph stores.


rule graphs:
    input:
        records=ingest_records(),
        synthesised=synthesised_captures(),
    output:
        stores=STORES,
        summary=f"{GRAPHS}/graphs.json",
    log:
        f"{LOGS}/graphs.log",
    benchmark:
        f"{BENCHMARKS}/graphs.tsv"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        frames=per_capture(FRAMES),
        profiles=PROFILES,
        train=list(CONFIG.dataset.train),
        settings=section(CONFIG, "graph"),
        code=CODE["graphs"],
    message:
        "build the graphs of {wildcards.dataset}"
    script:
        "../scripts/graphs.py"
