"""The evidence: when does post-tuning beat what a base can do untrained, at equal cost?

    python -m benchmarks.quality --quick      seven clips and two seeds of every method, within ten minutes
    python -m benchmarks.quality              the validate split, five seeds of 196 clips

docs/evidence-protocol.md is the protocol, docs/evidence.md what came out.

    protocol        splits, regimes, primary measures and margins as data; how the paper is frozen
    methods         the methods as a table: what each is, and what it costs
    making          how frames are made of first frames, captions and noise
    analytic_init   Analytic-Init of conditional image leakage
    spectral_blend  FreeLong, our reading
    cost            what the network was asked for, counted
    rows            the clips of a method and a seed, which resume
    setting         a split's clips in a regime, and its rows
"""
