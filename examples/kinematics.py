"""The strokes behind a recorded movement, and movements that the same hand could have made."""

import numpy as np

from ffrepro.kinematics import extract

t = np.arange(0, 1.2, 0.01)  # s
x = 200 * (np.tanh(6 * (t - 0.4)) + 1)  # px
y = 80 * np.sin(5 * t) * np.exp(-3 * (t - 0.6) ** 2)

plan = extract(t, x, y)
assert plan.quality is not None
print(f"{len(plan)} strokes, SNR {plan.quality.snr_v:.1f} dB; fastest {plan.velocity(t).max():.0f} px/s")
for level in ("close", "medium", "far"):
    other = plan.perturb(level, rng=1)
    apart = np.abs(other.position(t) - plan.position(t)).max()
    print(f"{level:6s} {other.seconds:.2f} s, at most {apart:.1f} px from it")
