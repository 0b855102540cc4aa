"""The Dockerfile, read here line by line; built and run where there is a Docker."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import threading
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path

import pytest

from inference.doctor.versions import CANN, release

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read_stages() -> dict[str, list[tuple[str, str]]]:
    """(instruction, rest) of every line of each stage, with those of the stage it is built on."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    stages: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            image, name = rest.split(" AS ")
            current = stages[name] = list(stages.get(image, []))
        current.append((instruction, rest))
    return stages


STAGES = read_stages()
FINAL = ("training", "inference")


def given(stage: str, instruction: str) -> list[str]:
    return [rest for name, rest in STAGES[stage] if name == instruction]


def is_ignored(path: str) -> bool:
    """What .dockerignore says of a path at the root: the last pattern that fits counts."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#") and fnmatch(path, line.removeprefix("!")):
            ignored = not line.startswith("!")
    return ignored


def test_what_is_built_without_a_target_is_inference() -> None:
    assert list(STAGES) == ["base", "training", "npu", "inference"]


def test_the_base_image_is_a_version_that_the_project_supports() -> None:
    (image, *others) = given("inference", "FROM")
    assert others == ["base AS inference"]
    match = re.fullmatch(r"python:(3\.\d+)-slim-\w+ AS base", image)
    assert match
    tested = (ROOT / "constraints.txt").read_text().splitlines()[0]
    assert re.search(rf"CPython {match[1]}\b", tested)
    assert "latest" not in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("stage", [*FINAL, "npu"])
def test_what_is_copied_is_tracked_and_not_ignored(stage: str) -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {line.split("/")[0] for line in listed.stdout.splitlines()}
    for rest in given(stage, "COPY"):
        *sources, target = rest.split()
        assert target == "./" or [target] == sources
        for source in sources:
            assert source in tracked and not is_ignored(source), source
    assert all(map(is_ignored, ("data", "runs", "model.onnx", ".git", ".venv", "tests", "tour")))


@pytest.mark.parametrize("stage", FINAL)
def test_packages_that_the_code_needs_are_there(stage: str) -> None:
    copied = {source for rest in given(stage, "COPY") for source in rest.split()[:-1]}
    assert copied >= {
        "pyproject.toml",
        "constraints.txt",
        PROJECT["readme"],
        *PROJECT["license-files"],
    }
    (command,) = (rest for rest in given(stage, "RUN") if "--editable" in rest)
    assert "--constraint constraints.txt" in command
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", command)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    needed = {"training": {"train", "export"}, "inference": {"app"}}[stage]
    assert needed <= set(extras.split(","))


def test_training_takes_torch_from_the_index_that_is_asked_for() -> None:
    (index,) = given("training", "ARG")
    assert index.startswith("TORCH_INDEX=https://download.pytorch.org/whl/cpu")
    runs = given("training", "RUN")
    (first,) = (
        number for number, run in enumerate(runs) if '--index-url "$TORCH_INDEX" torch' in run
    )
    (then,) = (number for number, run in enumerate(runs) if "--editable" in run)
    assert first < then
    assert not any("torch" in run for run in given("inference", "RUN"))


def test_npu_is_built_on_canns_own_image() -> None:
    text = (ROOT / "Dockerfile").read_text()
    (image,) = re.findall(r"^ARG CANN_IMAGE=(\S+)$", text, re.MULTILINE)
    assert re.fullmatch(r"quay\.io/ascend/cann:\d+\.\d+\.\d+-\w+-ubuntu22\.04-py3\.\d+", image)
    assert given("npu", "FROM") == ["${CANN_IMAGE} AS npu"]
    assert text.index("ARG CANN_IMAGE") < text.index("\nFROM ")  # else no FROM knows it
    cann = CANN[release(image.split(":")[1].split("-")[0])]
    assert next(iter(CANN)) in image
    (pin,) = (line for line in PROJECT["optional-dependencies"]["npu"] if "torch_npu" in line)
    assert pin.removeprefix("torch_npu==") in cann.extensions


def test_npu_takes_torch_without_cuda() -> None:
    (install,) = (run for run in given("npu", "RUN") if "--editable" in run)
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in install
    assert "grep -v '^torch==' constraints.txt" in install  # which pin another torch
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", install)
    assert {"train", "export", "npu"} <= set(extras.split(","))
    assert given("npu", "USER") == ["user"]


@pytest.mark.parametrize("place", ["cann", "ascend-toolkit"])
def test_npu_starts_in_canns_environment(place: str, tmp_path: Path) -> None:
    (entry,) = given("npu", "ENTRYPOINT")
    (command,) = given("npu", "CMD")
    assert json.loads(command) == ["python", "-m", "inference.doctor"]
    script = tmp_path / place / "set_env.sh"
    script.parent.mkdir()
    script.write_text("export CANN=$(basename $(dirname $BASH_SOURCE))\n")
    words = json.loads(entry.replace("/usr/local/Ascend", str(tmp_path)))
    run = [*words, "printenv", "CANN"]
    assert subprocess.run(run, capture_output=True, text=True).stdout == f"{place}\n"


@pytest.mark.parametrize("stage", FINAL)
def test_nobody_is_root(stage: str) -> None:
    assert given(stage, "USER") == ["user"]
    assert STAGES[stage].index(("USER", "user")) > max(
        number for number, (name, _) in enumerate(STAGES[stage]) if name in ("RUN", "COPY")
    )
    assert any(run.startswith("useradd ") and run.endswith(" user") for run in given(stage, "RUN"))


@pytest.mark.parametrize("stage", FINAL)
def test_what_starts_is_a_command_of_the_image(stage: str) -> None:
    assert given(stage, "ENTRYPOINT") == ['["python", "-m"]']
    (command,) = given(stage, "CMD")
    module, *arguments = json.loads(command)
    assert module.split(".")[0] in " ".join(given(stage, "COPY"))
    if stage == "inference":
        parameters = inspect.signature(import_module("app.__main__").app).parameters
        assert {word.removeprefix("--") for word in arguments if word.startswith("--")} <= set(
            parameters
        )
        # Listening on the container's loopback, it could not be reached from outside.
        assert arguments[arguments.index("--host") + 1] == "0.0.0.0"
        (port,) = given(stage, "EXPOSE")
        assert parameters["port"].default == int(port)


def test_the_health_check_tells_a_page_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Page(BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(self.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    (check,) = given("inference", "HEALTHCHECK")
    (port,) = given("inference", "EXPOSE")
    _, option, code = json.loads(check[check.index("[") :])
    assert option == "-c" and f"'127.0.0.1', {port}," in code
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # it must not go through one

    def healthy(port: int) -> bool:
        command = [sys.executable, "-c", code.replace("7860", str(port))]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert healthy(server.server_port)
        Page.status = 500
        assert not healthy(server.server_port)
        server.shutdown()
    assert not healthy(server.server_port)


def run_docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, 127, "", "no docker on the PATH")


def test_it_builds_and_segments() -> None:
    answer = run_docker("info")
    if answer.returncode:
        pytest.skip(f"no Docker to build with: {answer.stderr.strip().splitlines()[-1]}")
    built = run_docker("build", "--quiet", "--tag", "attention-unet:test", str(ROOT))
    assert built.returncode == 0, built.stderr
    ran = run_docker("run", "--rm", "attention-unet:test", "inference.doctor")
    assert ran.returncode == 0 and "ok      provider cpu" in ran.stdout, ran.stdout + ran.stderr
