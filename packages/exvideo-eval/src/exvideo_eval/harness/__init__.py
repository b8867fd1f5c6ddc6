"""Runs a suite of plain functions in one process: exact counts first, times second.

`exvideo-eval ab` copies this room beside the program under test, of whichever version, and starts it there by a name of
its own, so that both versions are measured by one harness, also where the program under test is this package. Hence
its modules import each other relatively, load no third party unless the suite has, and stand alone.
"""
