"""MCYT: pen signatures of 100 people (Ortega-Garcia et al. 2003), each with a synthetic twin."""

from ffrepro.data.trajectories import TrajectorySpec

SPEC = TrajectorySpec(
    name="mcyt",
    title="MCYT",
    human_dir="datasets/MCYT/realTO",
    synthetic_dir="datasets/MCYT_synth/syntTO",
    separator="\t ",
    pattern=r"(?P<parent>(?P<subject>\d+)g\d+)",  # 001g02: person 001, genuine signature 02
    twins=True,
    human_count=2500,
    synthetic_count=2500,
    clock="10 ms in both classes",
    coordinates="human: multiples of 0.01; synthetic: six decimals",
    licence="MIT for the paper's repository; the human samples remain under the MCYT agreement",
    agreement="MCYT was collected by the MCYT consortium and is given out under a licence agreement of its own, which "
    "the MIT licence of the paper's repository does not replace",
    citation="J. Ortega-Garcia et al.: MCYT baseline corpus: a bimodal biometric database. "
    "IEE Proceedings - Vision, Image and Signal Processing 150(6), 2003.",
)
