"""Mouse-Operation ("raton"): pointer movements of 47 people, each with a synthetic twin."""

from ffrepro.data.trajectories import TrajectorySpec

SPEC = TrajectorySpec(
    name="raton",
    title="Mouse-Ops.",
    human_dir="datasets/raton/realTO",
    synthetic_dir="datasets/raton_synth/syntTO",
    separator="\t ",
    # p12-116_201184152255_logfile: person, number of the repetition, time of recording. One person came twice,
    # the second time as p18-2-: "p18--2-102_..." is the same person as "p18-10_...".
    pattern=r"(?P<parent>(?P<subject>.+?)(?:--\d+)?-\d+_\d+_logfile)",
    twins=True,
    human_count=960,
    synthetic_count=960,
    clock="ticks of 15 or 16 ms; many steps of 0 ms, and backward ones in synthetic samples",
    coordinates="human: whole pixels; synthetic: six decimals",
    licence="MIT (the paper's repository)",
    agreement="none known; upstream file names hold people's names, which mirrors may have replaced by p01, p02, ...",
    citation="C. Shen, Z. Cai, X. Guan, R. Maxion: Performance evaluation of anomaly-detection algorithms for mouse "
    "dynamics. Computers & Security 45, 2014 (the paper's reference for it).",
)
