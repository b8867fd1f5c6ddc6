"""Clips that are asked for, made one after another: behind the command line, the server and the web page."""
