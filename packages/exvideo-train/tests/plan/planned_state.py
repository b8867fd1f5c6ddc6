"""A process of a run: prints "equal" where its engine holds the bytes that were predicted, else the differences."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from exvideo_train.config import load_config
from test_plan import difference_of_state

parser = argparse.ArgumentParser()
parser.add_argument("--config")
found = difference_of_state(load_config(parser.parse_args().config)) or "equal"
os.write(1, f"{found}\n".encode())  # one write a line, as several processes share the pipe
