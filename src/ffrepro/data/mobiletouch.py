"""MobileTouchDB: characters and symbols drawn on phones by 217 people, each with a synthetic twin."""

from ffrepro.data.trajectories import TrajectorySpec

SPEC = TrajectorySpec(
    name="mobiletouch",
    title="MobileTouch",
    human_dir="datasets/MobileTouchDB/realTO",
    synthetic_dir="datasets/MobileTouchDB_synth/syntTO",
    separator="\t ",
    # user839979-Sesion1-u839979_s1_num4; the symbols are mayA-mayZ, mayÑ, mina-minz, minñ, num0-num9, simb1-simb8
    pattern=r"(?P<parent>user(?P<subject>\d+)-Sesion\d+-u\d+_s\d+_(?P<gesture>\w+))",
    twins=True,
    human_count=15623,
    synthetic_count=15623,
    clock="irregular, milliseconds, some steps 0; synthetic samples mostly have the time stamps of their twin",
    coordinates="human: whole pixels; synthetic: six decimals",
    licence="MIT for the paper's repository; the human samples remain under the MobileTouchDB agreement",
    agreement="MobileTouchDB was collected by the BiDA Lab, Universidad Autonoma de Madrid, and is given out under a "
    "licence agreement of its own, which the MIT licence of the paper's repository does not replace",
    citation="R. Tolosana, J. Gismero-Trujillo, R. Vera-Rodriguez, J. Fierrez, J. Ortega-Garcia: MobileTouchDB: mobile "
    "touch character database in the wild and biometric benchmark. CVPR Workshops 2019.",
)
