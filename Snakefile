# The whole reproduction. What runs is declared in params.yaml and the studies that it names; what each job reads and
# leaves is in src/ffrepro/pipeline/jobs.py. Examples:
#   snakemake --cores all                                    everything, at the scale of params.yaml
#   snakemake --cores all --config scale=lite                real data, cut down
#   snakemake --cores all PAPER_table1                        what one published table needs, and the table
from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/runs.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        [path for job in JOBS.values() for path in job.outputs],


for paper in PAPERS:

    rule:
        name:
            paper
        input:
            outputs_of_paper(paper),

    for table in PAPERS[paper]["tables"]:

        rule:
            name:
                f"{paper}_{table}"
            input:
                outputs_of_table(paper, table),
