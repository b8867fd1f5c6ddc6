"""Faults that are put into real footage, and the measures of exvideo-eval that they move: the table of a guide."""
