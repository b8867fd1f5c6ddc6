"""`python -m exvideo_infer` is `exvideo-generate`."""

from exvideo_infer.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
