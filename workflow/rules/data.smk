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


# A prepared set is called as its data set; with negatives made here, the level is added.
DATASET = "|".join(PROJECT.params.raw["datasets"])


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
    wildcard_constraints:
        dataset=DATASET,
    shell:
        "ffrepro prepare {wildcards.dataset} --source {wildcards.source} > {log} 2>&1"


rule plans:
    input:
        inputs_of("plans/{source}/{dataset}"),
    output:
        "data/plans/{source}/{dataset}.npz",
        "data/plans/{source}/{dataset}.json",
    log:
        "logs/plans/{source}/{dataset}.log",
    benchmark:
        "benchmarks/plans/{source}/{dataset}.tsv"
    threads: PLANNERS
    params:
        workers=PLANNERS,
    shell:
        "ffrepro kinematics plan {wildcards.dataset} --source {wildcards.source} --workers {params.workers} > {log} 2>&1"


rule negatives:
    input:
        inputs_of("negatives/{source}/{dataset}_{level}"),
    output:
        "data/prepared/{source}/{dataset}_{level}.npz",
        "data/prepared/{source}/{dataset}_{level}.json",
    log:
        "logs/negatives/{source}/{dataset}_{level}.log",
    benchmark:
        "benchmarks/negatives/{source}/{dataset}_{level}.tsv"
    wildcard_constraints:
        # A data set's own name may have the form of another one's with a level: imagenette_subset.
        dataset=rf"(?!({DATASET})\.)({DATASET})",
    shell:
        "ffrepro negatives {wildcards.dataset} --level {wildcards.level} --source {wildcards.source} > {log} 2>&1"
