"""Networks whose features clips are judged by, each under its own name."""
