import subprocess
import sys
from pathlib import Path

from exvideo_infer.jobs.claims import FOLDER, claim

HOLD = """
import sys, time
from pathlib import Path
from exvideo_infer.jobs.claims import claim
with claim(Path(sys.argv[1]), "clip") as held:
    print(held, flush=True)
    time.sleep(60)
"""


def test_a_claim_is_one_s_alone(tmp_path: Path) -> None:
    with claim(tmp_path, "clip") as first, claim(tmp_path, "clip") as second, claim(tmp_path, "other") as other:
        assert (first, second, other) == (True, False, True)
    with claim(tmp_path, "clip") as again:
        assert again
    assert not (tmp_path / FOLDER).exists()


def test_that_of_a_process_that_was_killed_is_free_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    with claim(tmp_path, "clip") as held:
        assert not held
    process.kill()
    process.wait()
    process.stdout.close()
    with claim(tmp_path, "clip") as held:
        assert held
