# Tables, the report, whether it had to leave records out, and the mirror of the records in MLflow.


rule table:
    input:
        inputs_of("table/{scale}/{paper}/{table}"),
    output:
        "reports/{scale}/tables/{paper}/{table}.csv",
        report(
            "reports/{scale}/tables/{paper}/{table}.md",
            caption="../report/table.rst",
            category="Tables",
            subcategory="{paper}",
        ),
        "reports/{scale}/tables/{paper}/{table}.tex",
    log:
        "logs/tables/{scale}/{paper}/{table}.log",
    params:
        hardware=PROJECT.hardware_option,
    shell:
        "ffrepro report --scale {wildcards.scale} --table {wildcards.paper}/{wildcards.table}{params.hardware} --exit-zero > {log} 2>&1"


rule report:
    input:
        inputs_of("report/{scale}"),
    output:
        report(
            "reports/{scale}/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
        "reports/{scale}/report.md",
        "reports/{scale}/results.csv",
        "reports/{scale}/verdicts.csv",
        "reports/{scale}/metrics.json",
        "reports/{scale}/curves.csv",
        "reports/{scale}/bad_records.json",
        directory("reports/{scale}/figures/"),
    log:
        "logs/report/{scale}.log",
    params:
        hardware=PROJECT.hardware_option,
    shell:
        "ffrepro report --scale {wildcards.scale}{params.hardware} --exit-zero > {log} 2>&1"


# Fails where records were left out as bad: the report, which names them, stays.
rule check:
    input:
        inputs_of("check/{scale}"),
    output:
        "reports/{scale}/check.txt",
    log:
        "logs/check/{scale}.log",
    shell:
        "ffrepro report --scale {wildcards.scale} --check > {log} 2>&1"


rule track:
    input:
        inputs_of("track/{scale}"),
    output:
        "reports/{scale}/mlflow.json",
    log:
        "logs/track/{scale}.log",
    shell:
        "ffrepro track --scale {wildcards.scale} > {log} 2>&1"
