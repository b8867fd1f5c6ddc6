"""A small world whose truth is known, the text-to-video system trained on it, and measures against its truth."""
