# Frame tables -> vehicle profiles and graph stores.
#
# The frame tables are no input of their own: the same log file always gives the same table, so a table that was deleted
# is made again (`all` asks for it) without anything being trained again. What makes graphs anew is a changed log file, or
# whatever changes how log files are read (`ingest` below).


rule graphs:
    input:
        sources=[capture.source for capture in CAPTURES.values()],
        attack_spans=attack_spans(),
        records=[ancient(record) for record in per_capture(INGEST_RECORD)],
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
        ingest=[
            CONFIG.strict,
            [(c.key, c.vehicle, c.attack_type) for c in CAPTURES.values()],
            CODE["ingest"],
        ],
        code=CODE["graphs"],
    message:
        "build the graphs of {wildcards.dataset}"
    script:
        "../scripts/graphs.py"
