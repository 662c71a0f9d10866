"""The $1 gestures (Wobbrock, Wilson & Li 2007) and synthetic ones made from every tenth of them."""

from ffrepro.data.trajectories import TrajectorySpec

SPEC = TrajectorySpec(
    name="dollar",
    title="$1",
    human_dir="datasets/csv-1dollar-human",
    synthetic_dir="datasets/csv-1dollar-synth-best",
    separator=" ",
    # s01-arrow-fast-t04, and from it s01-arrow-fast-t04_rec and s01-arrow-fast-t04_synth_01 to _09
    pattern=r"(?P<parent>s(?P<subject>\d+)-(?P<gesture>[a-z_]+)-(?:fast|medium|slow)-t\d+)(?:_rec|_synth_\d+)?",
    twins=False,
    human_count=5280,
    synthetic_count=5280,
    clock="human: irregular, milliseconds; synthetic: exactly 10 ms",
    coordinates="whole pixels in both classes",
    licence="MIT (the paper's repository)",
    agreement="none known: the human gestures are published by the authors of the $1 recogniser",
    citation="J. O. Wobbrock, A. D. Wilson, Y. Li: Gestures without libraries, toolkits or training: a $1 recognizer "
    "for user interface prototypes. UIST 2007.",
)
