"""Measures as pure functions, from features, scores or frames to numbers; one file a measure."""
