"""A cluster's masks are those of one machine, also if one of its machines is lost on the way."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.command import InputError
from inference.segment import segment
from tests.inference.test_segment import contents
from training.synthesize import make_lesion

WITHOUT_RAY = importlib.util.find_spec("ray") is None

# Ray is kept out of this process: it warns, and it leaves threads behind.
PROGRAM = """
import sys, threading, time
from pathlib import Path
from ray.cluster_utils import Cluster
from inference import cluster

folder, model, output, lose = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] == "lose"
cluster.IMAGES_PER_TASK = 4
health = {"health_check_period_ms": 300, "health_check_failure_threshold": 3}
head = {"num_cpus": 1, "_system_config": {"health_check_initial_delay_ms": 0, **health}}
machines = Cluster(initialize_head=True, head_node_args=head)
second = machines.add_node(num_cpus=1)
machines.wait_for_nodes()

def lose_machine():
    while len(list(output.glob("*.png"))) < 20:
        time.sleep(0.01)
    machines.remove_node(second, allow_graceful=False)
    print("lost after", len(list(output.glob("*.png"))))

if lose:
    threading.Thread(target=lose_machine, daemon=True).start()
code = cluster.segment_on_cluster([folder], model, output, ("mask", "csv"),
                                  address=machines.address, cores=1)
print("exit", code)
machines.shutdown()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("images")
    for number in range(160):
        image, _ = make_lesion(np.random.default_rng(number % 8), 96, 128)
        Image.fromarray(np.roll(image, number, axis=1)).save(made / f"{number:03}.jpg")
    (made / "050.jpg").write_bytes(b"broken")
    return made


@pytest.mark.skipif(WITHOUT_RAY, reason="ray is not installed: pip install -e '.[ray]'")
def test_two_machines_of_which_one_is_lost(folder: Path, model: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, model, tmp_path / "many", "lose"],
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "exit 1" in done.stdout
    lost = int(done.stdout.split("lost after ")[1].split()[0])
    assert 20 <= lost < 159
    assert segment([str(folder)], model, tmp_path / "one", ("mask", "csv")) == 1
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


@pytest.mark.skipif(not WITHOUT_RAY, reason="ray is installed")
def test_without_ray_the_cure_is_named(folder: Path, model: Path, tmp_path: Path) -> None:
    from inference.cluster import segment_on_cluster

    with pytest.raises(InputError, match="pip install"):
        segment_on_cluster([str(folder)], model, tmp_path)
