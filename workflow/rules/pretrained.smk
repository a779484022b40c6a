# The cascade that ships inside the package: trained on a simulated fleet alone, so that it needs no dataset.
from canids.shipped import FILES, RECORD

if PRETRAINED in VARIANTS:

    rule pretrained:
        input:
            **trained_parts(),
            graphs=placed(PRETRAINED, "graphs", GRAPHS_SUMMARY),
        output:
            files=[f"{PACKAGE_DATA}/{place}" for place in FILES.values()],
            record=f"{PACKAGE_DATA}/{RECORD}",
        log:
            f"{RESULTS}/{PRETRAINED}/logs/pretrained.log",
        benchmark:
            f"{RESULTS}/{PRETRAINED}/benchmarks/pretrained.tsv"
        threads: 1
        resources:
            mem_mb=by_size(2000),
            runtime=by_size(10),
        params:
            made_with={
                "seed": SEEDS[0],
                "training_data": VARIANTS[PRETRAINED].config.training_data,
                **fleet_settings(VARIANTS[PRETRAINED].config),
            },
            code=CODE["pretrained"],
        message:
            "put the models that were trained on the fleet into the package"
        script:
            "../scripts/pretrained.py"
