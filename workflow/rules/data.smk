# Raw archives and prepared data sets, real or stand-in.
from ffrepro.data.archives import ARCHIVES

for name, archive in ARCHIVES.items():

    rule:
        name:
            f"fetch_{name}"
        input:
            inputs_of(f"fetch/{{source}}/{name}"),
        output:
            f"data/raw/{{source}}/{archive.file}",
            f"data/raw/{{source}}/{archive.file}.json",
        log:
            f"logs/fetch/{{source}}/{name}.log",
        params:
            archive=name,
        shell:
            "ffrepro fetch {params.archive} --source {wildcards.source} > {log} 2>&1"


rule prepare:
    input:
        inputs_of("prepare/{source}/{dataset}"),
    output:
        "data/prepared/{source}/{dataset}.npz",
        "data/prepared/{source}/{dataset}.json",
    log:
        "logs/prepare/{source}/{dataset}.log",
    benchmark:
        "benchmarks/prepare/{source}/{dataset}.tsv"
    resources:
        mem_mb=MEMORY_MB,
    shell:
        "ffrepro prepare {wildcards.dataset} --source {wildcards.source} > {log} 2>&1"
