"""A cluster's masks are those of one machine, also if one of its machines is lost on the way."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference import cluster
from inference.batch.job import Job
from inference.batch.options import SegmentOptions
from inference.cluster import Worker, segment_on_cluster
from inference.errors import InputError
from inference.runtime.segmenter import Segmenter
from inference.segment import segment
from tests.contents import contents
from training.synthetic.lesion import make_lesion

WITHOUT_RAY = importlib.util.find_spec("ray") is None

# Ray is kept out of this process: it warns, and it leaves threads behind.
PROGRAM = """
import sys, threading, time
from pathlib import Path
from ray.cluster_utils import Cluster
from inference import cluster
from inference.batch.options import SegmentOptions

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
options = SegmentOptions(model, output, ("mask", "csv"))
code = cluster.segment_on_cluster([folder], options, address=machines.address, cores=1)
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
    assert segment([str(folder)], SegmentOptions(model, tmp_path / "one", ("mask", "csv"))) == 1
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


def test_what_cannot_begin_leaves_the_journal(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, output = [str(path) for path in sorted(folder.iterdir())[:3]], tmp_path / "masks"
    segment(few, SegmentOptions(model, output))
    journal = (output / ".finished.jsonl").read_bytes()
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="pip install"):
        segment_on_cluster(few, SegmentOptions(model, output))
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    with pytest.raises(InputError, match=r"a\.jpg: is not a file"):
        segment_on_cluster([*few, "http://localhost/a.jpg"], SegmentOptions(model, output))
    assert (output / ".finished.jsonl").read_bytes() == journal


def test_workers_use_what_auto_became(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = []

    def compute(job: Job, workers: tuple[Any, ...], *_: object) -> Iterator[Any]:
        handed.append(Worker(*workers).segmenter.provider)  # type: ignore[attr-defined]
        yield from ()

    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    monkeypatch.setattr(cluster, "compute", compute)
    segment_on_cluster([str(folder / "000.jpg")], SegmentOptions(model, tmp_path / "auto"))
    segment_on_cluster(
        [str(folder / "000.jpg")], SegmentOptions(model, tmp_path / "cpu", provider="cpu")
    )
    assert handed == [Segmenter(model).provider, "cpu"]
