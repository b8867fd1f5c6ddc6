"""The evidence: when does post-tuning beat what a base can do untrained, at equal cost?

    python -m benchmarks.quality --quick      seven clips and two seeds of every method, within ten minutes
    python -m benchmarks.quality              the validate split, five seeds of 196 clips
    python -m benchmarks.quality --rows ablations    post-tuned rows, three seeds of 98 clips; a night and more

docs/evidence-protocol.md is the protocol, docs/evidence.md what came out, docs/evidence-exploratory.md what it was
chosen by.

    protocol        splits, regimes, primary measures and margins as data; how the paper is frozen
    methods         the methods as a table: what each is, and what it costs
    making          how frames are made of first frames, captions and noise
    analytic_init   Analytic-Init of conditional image leakage
    spectral_blend  FreeLong, our reading
    recipes, parts, post_tune    rows that are post-tuned here, by levels of their own too
    continued       controls that train all of the network
    trained         all rows that are trained here, and what each costs
    cost            what the network was asked for, counted
    rows            the clips of a method and a seed, which resume
    record          what decided a row's clips, so that nothing else goes on with them
    files           JSON files that several processes change
    setting         a split's clips in a regime, and its rows
    judged          rows before the truth and the judge's features, as tables of seeds and clips
    comparison      one method against another, by the protocol's rule
    figures         all of a setting as plain values
    tables, lengths, sheet    the same as tables, curves against length, and pictures
    page, in_text   the pages of the evidence and README.md, filled from docs/evidence/figures.json
"""
