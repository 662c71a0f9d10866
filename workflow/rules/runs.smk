# One job per run. The plan file is an input: whoever made the outputs, an edited setting or changed code shows.


rule train:
    input:
        inputs_of("train/{run}"),
    output:
        "runs/{run}/run.json",
        "runs/{run}/metrics.jsonl",
        "runs/{run}/result.json",
        "runs/{run}/arrays.npz",
    log:
        "logs/{run}.log",
    benchmark:
        "benchmarks/{run}.tsv"
    wildcard_constraints:
        run=rf"(?!.*/interleaved/|{IS_FITTED}|{IS_SEARCH}|{IS_KEPT}).+",
    threads: threads_of
    resources:
        **LIMITS,
        gpu=gpus,
    params:
        threads=threads_option,
    shell:
        "ffrepro train plan/{wildcards.run}.json{params.threads} > {log} 2>&1"


use rule train as train_and_keep with:
    output:
        "runs/{run}/run.json",
        "runs/{run}/metrics.jsonl",
        "runs/{run}/result.json",
        "runs/{run}/arrays.npz",
        "runs/{run}/weights.pt",
    wildcard_constraints:
        run=rf"(?={IS_KEPT}).+",


rule sklearn_baseline:
    input:
        inputs_of("sklearn_baseline/{run}"),
    output:
        "runs/{run}/run.json",
        "runs/{run}/result.json",
        "runs/{run}/arrays.npz",
    log:
        "logs/{run}.log",
    benchmark:
        "benchmarks/{run}.tsv"
    wildcard_constraints:
        run=rf"(?={IS_FITTED}).+",
    threads: threads_of
    resources:
        **LIMITS,
    params:
        threads=threads_option,
    shell:
        "ffrepro baseline plan/{wildcards.run}.json{params.threads} > {log} 2>&1"


rule search:
    input:
        inputs_of("search/{run}"),
    output:
        "runs/{run}/run.json",
        "runs/{run}/result.json",
    log:
        "logs/{run}.log",
    benchmark:
        "benchmarks/{run}.tsv"
    wildcard_constraints:
        run=rf"(?={IS_SEARCH}).+",
    threads: threads_of
    resources:
        **LIMITS,
        gpu=gpus,
    params:
        threads=threads_option,
    shell:
        "ffrepro search plan/{wildcards.run}.json{params.threads} > {log} 2>&1"


rule bench:
    input:
        inputs_of("bench/{run}"),
    output:
        "runs/{run}/run.json",
        "runs/{run}/result.json",
    log:
        "logs/{run}.log",
    benchmark:
        "benchmarks/{run}.tsv"
    wildcard_constraints:
        run=r".+/interleaved/seed[0-9]+",
    threads: threads_of_bench
    resources:
        **LIMITS,
        gpu=gpus,
    shell:
        "ffrepro bench --plan plan/{wildcards.run}.json > {log} 2>&1"
