"""Two versions of anybody's repository measured side by side: exact counts, which decide, and times, with a control.

Stored baselines rot and shared machines drift, so both versions run in one job, in processes that take turns, and the
base runs twice: what the base's second run (the control) differs by from its first is what nothing at all makes.
"""
