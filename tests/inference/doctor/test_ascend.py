"""Ascend machines, made up: their drivers, toolkits and packages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from inference import machine
from inference.cann import source_cann
from inference.doctor import ascend
from inference.doctor.findings import Finding
from inference.doctor.versions import CANN, Installed, find_cann, find_misfits, torch_of
from tests.inference.doctor.conftest import by_subject, stand_in
from tests.source_tree import ROOT

NPU_SMI = """+------------------------------------------------------------------------+
| npu-smi 24.1.0                  Version: 24.1.0                           |
+---------------------------+---------------+------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)          |
+===========================+===============+==============================+
| 0     910B3               | OK            | 93.6        39               |
| 0                         | 0000:C1:00.0  | 0           0    / 0         |
| 1     910B3               | Alarm         | 93.6        39               |
| 0                         | 0000:C2:00.0  | 0           0    / 0         |
"""

Machine = Callable[..., dict[str, Finding]]


@pytest.fixture
def ascend_machine(
    path_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[Finding]]:
    """Sets up a machine, and returns what doctor finds about its versions."""

    def check(
        driver: str = "", cann: str = "", place: str = "cann", python: str = "", **packages: str
    ) -> list[Finding]:
        if driver:
            table = NPU_SMI.replace("24.1.0", driver)
            stand_in(path_folder, "npu-smi", f"cat <<'END'\n{table}END")
        if cann:
            home = tmp_path / "Ascend" / place
            (home / "x86_64-linux").mkdir(parents=True)
            note = home / "x86_64-linux" / "ascend_toolkit_install.info"
            note.write_text(f"package_name=Ascend-cann-toolkit\nversion={cann}\narch=x86_64\n")
            script = home / "set_env.sh" if place == "cann" else home.parent / "set_env.sh"
            script.touch()
        monkeypatch.setattr(
            ascend, "package_version", lambda name: packages.get(name.replace("-", "_"), "")
        )
        if python:
            monkeypatch.setattr(ascend.platform, "python_version", lambda: python)
        return [
            finding for finding in ascend.check_ascend() if finding.subject == "ascend versions"
        ]

    return check


FITS = {"driver": "25.5.1", "cann": "9.1.0", "torch_npu": "2.12.0", "torch": "2.12.0+cpu"}


@pytest.mark.parametrize(
    ("changes", "found", "hint"),
    [
        ({"torch": "2.13.0+cpu"}, "torch_npu 2.12.0 is not for torch 2.13.0", "torch==2.12.0"),
        ({"torch": ""}, "is not for torch (none)", "pip install torch==2.12.0"),
        ({"torch": "2.12.0+cu130"}, "is a CUDA build", "--index-url https://download.pytorch.org"),
        (
            {"cann": "8.5.0"},
            "torch_npu 2.12.0 is not published for CANN 8.5.0",
            "torch_npu==2.9.0 ",
        ),
        ({"cann": "8.5.0"}, "torch_npu 2.12.0 is not published", "or install CANN 9.1"),
        ({"driver": "24.1.0"}, "driver 24.1.0 is not for CANN 9.1.0", "25.2, 25.3, 25.5"),
        ({"driver": "25.0.3"}, "driver 25.0.3 is not for CANN 9.1.0", "install a driver"),
        ({"cann": "8.0.RC3"}, "CANN 8.0.RC3 is none of 9.1, 9.0, 8.5", "install CANN 9.1"),
        (
            {"torch_npu": "2.13.0", "torch": "2.13.0+cpu"},
            "torch_npu 2.13.0 is not published for CANN 9.1.0",
            "torch_npu==2.12.0",
        ),
        (
            {"torch_npu": "2.14.0", "torch": "2.14.0", "cann": ""},
            "no CANN is published for torch_npu 2.14.0",
            "torch_npu==2.12.0 with CANN 9.1",
        ),
        ({"cann": "9.0.0", "python": "3.14.0"}, "Python 3.14.0 is newer than CANN", "Python 3.13"),
    ],
)
def test_the_pair_that_does_not_fit_is_named_with_the_fix(
    changes: dict[str, str], found: str, hint: str, ascend_machine: Callable[..., list[Finding]]
) -> None:
    findings = ascend_machine(**{**FITS, **changes})
    assert {finding.state for finding in findings} == {"broken"}
    (named,) = (finding for finding in findings if found in finding.found)
    assert hint in named.hint and "docs/ascend.md" in named.hint


@pytest.mark.parametrize("place", ["cann", "ascend-toolkit/latest"])
def test_what_fits_is_one_line(place: str, ascend_machine: Callable[..., list[Finding]]) -> None:
    (finding,) = ascend_machine(**FITS, place=place, numpy="2.4.6")
    assert finding.state == "ok"
    said = "driver 25.5.1, CANN 9.1.0, torch_npu 2.12.0, torch 2.12.0+cpu: compatible"
    assert finding.found == said


def test_a_machine_for_atc_alone(ascend_machine: Callable[..., list[Finding]]) -> None:
    (finding,) = ascend_machine(cann="9.1.0", torch="2.13.0+cpu")
    assert finding.state == "ok"


def test_a_machine_without_any(ascend_machine: Callable[..., list[Finding]]) -> None:
    (finding,) = ascend_machine(torch="2.13.0+cpu", numpy="2.4.6")
    assert finding.state == "absent"


@pytest.mark.parametrize(
    ("cann", "python", "noted"),
    [("8.5.0", "3.11.7", True), ("8.5.0", "3.13.1", False), ("9.0.0", "3.11.7", False)],
)
def test_numpy_for_the_compiler(
    cann: str, python: str, noted: bool, ascend_machine: Callable[..., list[Finding]]
) -> None:
    packages = {"8.5.0": ("2.9.0", "2.9.0"), "9.0.0": ("2.10.0", "2.10.0+cpu")}[cann]
    own = {"torch_npu": packages[0], "torch": packages[1], "numpy": "2.4.6", "python": python}
    (finding,) = ascend_machine(driver="25.5.1", cann=cann, **own)
    assert finding.state == ("note" if noted else "ok")
    if noted:
        assert "NumPy below 2" in finding.found and "--python" in finding.hint


def test_what_is_published_fits_with_each_of_its_drivers() -> None:
    for cann, asks in CANN.items():
        for torch_npu in asks.extensions:
            assert find_cann(torch_npu) == cann
            for driver in asks.drivers:
                torch = f"{torch_of(torch_npu)}+cpu"
                whole = Installed(f"{driver}.1", f"{cann}.0", torch_npu, torch, "3.11.7", "2.4.6")
                assert not list(find_misfits(whole))


@pytest.mark.parametrize(
    ("torch_npu", "torch"),
    [("2.12.0", "2.12.0"), ("2.9.0.post6", "2.9.0"), ("2.13.0rc1", "2.13.0"), ("2.9", "2.9")],
)
def test_torch_of_a_release(torch_npu: str, torch: str) -> None:
    assert torch_of(torch_npu) == torch


def test_the_extra_is_the_newest_published_pair() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (pins,) = re.findall(r"^npu = \[(.+)\]$", project, re.MULTILINE)
    torch_npu = next(iter(CANN.values())).extensions[0]
    assert pins == f'"torch=={torch_of(torch_npu)}", "torch_npu=={torch_npu}"'


def test_a_driver_that_hangs(path_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_SECONDS", 1)
    stand_in(path_folder, "npu-smi", "exec sleep 60")
    finding = next(ascend.check_ascend())
    assert (finding.state, finding.found) == ("broken", "no answer within 1 s")
    assert "restart" in finding.hint


def test_a_toolkit_is_found_step_by_step(
    path_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = by_subject(ascend.check_ascend())
    assert {finding.state for finding in found.values()} == {"absent"}

    stand_in(path_folder, "npu-smi", f"cat <<'END'\n{NPU_SMI}END")
    stand_in(path_folder, "atc", "exit 0")
    home = tmp_path / "Ascend" / "cann"
    (home / "x86_64-linux").mkdir(parents=True)
    (home / "set_env.sh").touch()
    found = by_subject(ascend.check_ascend())
    assert found["npu-smi"].found == "910B3, 910B3, health: Alarm"
    assert found["CANN"].state == "broken"
    assert f"source {home / 'set_env.sh'}" in found["CANN"].hint
    assert found["atc"] == Finding("atc", "ok", str(path_folder / "atc"))

    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(home))
    (home / "x86_64-linux" / "ascend_toolkit_install.info").write_text("arch=x\nversion=8.5.0\n")
    assert by_subject(ascend.check_ascend())["CANN"].found == f"{home}, version 8.5.0"
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", "/gone")
    found = by_subject(ascend.check_ascend())
    assert found["CANN"].state == "broken" and found["CANN"].found == "/gone: no such folder"


@pytest.mark.parametrize(
    "place",
    ["Ascend/cann", "Ascend/ascend-toolkit", "home/Ascend/cann", "home/Ascend/ascend-toolkit"],
)
def test_set_env_is_found_in_its_four_places(place: str, path_folder: Path, tmp_path: Path) -> None:
    assert "cann/set_env.sh" in source_cann() and "ascend-toolkit/set_env.sh" in source_cann()
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "set_env.sh").touch()
    assert source_cann() == f"run `source {tmp_path / place}/set_env.sh` in this shell first"


@pytest.mark.parametrize(
    ("script", "state", "found"),
    [
        ("echo 3.11.7 1.26.4", "ok", "3.11.7 with NumPy 1.26.4"),
        ("echo 3.11.7 2.1.0", "note", "NumPy 2.1.0"),
        ("echo 3.11.7,attr,absl 1.26.4", "note", "lacks attrs, absl-py"),
        ("echo no numpy >&2; exit 1", "note", "no numpy"),
    ],
)
def test_the_python_of_atc(script: str, state: str, found: str, path_folder: Path) -> None:
    stand_in(path_folder, "python3", script)
    finding = ascend.check_atc_python(Installed(cann="8.5.0"))
    assert finding.state == state and found in finding.found
    if state == "note":
        assert "--python" in finding.hint
