"""Floor 0, kinematics: the Sigma-Lognormal model of hand movements. Pure, no I/O.

``lognormal`` is the model, ``xzero`` reads a stroke off its speed curve, ``reference`` turns a recording into the
signal that is modelled, ``extraction`` finds the plan behind it, ``quality`` says how good the plan is, and
``perturb`` makes plans of movements that the same hand could have made. docs/KINEMATICS.md has the measurements.
"""
