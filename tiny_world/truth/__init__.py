"""Judges clips of the tiny world by its truth: sets generated from the same first frames and captions, side by side.

    python -m tiny_world.truth --real DIR --set base=DIR --set extended=DIR --output DIR

`DIR` of --real is what `tiny_world.world` writes; a set has files of the same names. Every set, and the real files
themselves as the tracker's own floor, gets a JSON file of the schema `exvideo.result/2`; `truth.md` is the table of
all, `truth.png` the curves by frame index.

    tracker         what frames alone show of a clip: its subjects' places, sizes, shapes and colours
    subject         one subject, measured by a colour
    strangers       what is of no subject's colour: a subject that left its own, or a body too many
    bodies          separate bodies in a mask, counted
    pooling         means, maxima and openings of images over squares
    measures        how far that is from the truth, frame by frame
    measured_set    from files to one curve a clip and measure
    figures         from curves to numbers with intervals, and to differences between two sets
    over_seeds      the same of sets of several seeds: tables of seeds and clips
    statistics      intervals in which clip and seed are both random, and Holm's correction
    report          from those to results and a table
    picture         the curves

`--events` judges clips with events by their duration:

    presence        how much of a subject there is, faded ones included
    event_measures  which events a clip shows, and its errors in their frames and elsewhere
    event_figures   from files to numbers with intervals, by kind and duration
    event_report    from those to results; event_picture the curves
    keyframes       clips of real keyframes, held or blended
"""
