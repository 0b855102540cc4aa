from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.aipp import aipp_config, cut_normalisation
from export.atc import AtcOptions, atc_arguments, explain
from export.build import build_model
from export.graph import Deployable, rewrite
from export.quantize import quantize
from export.to_om import to_om
from inference.contract import Contract
from inference.errors import InputError
from training.networks.unet import UNet

GOLDEN = Path(__file__).parent / "atc"
CHIPS = ("Ascend310", "Ascend310P3", "Ascend310B1", "Ascend910A", "Ascend910B3")
CONTRACT = Contract(size=64, mean=(0.71, 0.58, 0.53), std=(0.16, 0.17, 0.18))


@pytest.fixture(scope="session")
def exported(network: UNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network, rewritten, with a normalisation that differs from channel to channel."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    ours = UNet("attunet", 4, CONTRACT.mean, CONTRACT.std)
    ours.load_state_dict(network.state_dict())
    onnx.save(build_model(Deployable(rewrite(ours, "phases", 64)), CONTRACT), path)
    return path


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("batches", [(4,), (16, 1, 4, 8)], ids=["static", "dynamic"])
def test_arguments_are_the_golden_ones(chip: str, batches: tuple[int, ...]) -> None:
    found = atc_arguments(
        Contract(size=224),
        AtcOptions(chip, batches),
        Path("out/model.atc.onnx"),
        Path("out/model.aipp.cfg"),
        Path("out/model.om"),
    )
    golden = GOLDEN / f"{chip}-{'static' if len(batches) == 1 else 'dynamic'}.txt"
    assert found == golden.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("batches", [(1,), (1, 2), tuple(range(1, 101))])
def test_what_excludes_each_other_is_never_given_together(batches: tuple[int, ...]) -> None:
    paths = (Path("a.onnx"), Path("a.cfg"), Path("a.om"))
    found = atc_arguments(CONTRACT, AtcOptions("Ascend310", batches), *paths)
    names = [argument.split("=")[0] for argument in found]
    assert len(set(names)) == len(names)
    assert not {
        *("--dynamic_dims", "--dynamic_image_size", "--input_shape_range", "--precision_mode"),
    } & set(names)
    assert ("--dynamic_batch_size" in names) == (len(batches) > 1)
    assert ("--input_shape=image:-1,3,64,64" in found) == (len(batches) > 1)


@pytest.mark.parametrize("batches", [(), (0,), (1, 1), tuple(range(1, 102))])
def test_wrong_batches_are_refused(batches: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="--batches"):
        AtcOptions("Ascend310", batches)


@pytest.mark.parametrize("chip", ["310P3", "ascend310", "Ascend", "Ascend 310"])
def test_wrong_chips_are_refused(chip: str) -> None:
    with pytest.raises(InputError, match="as ATC spells it"):
        AtcOptions(chip)


def read_aipp(text: str) -> dict[str, str]:
    lines = (line.split(":") for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in lines}


@pytest.mark.parametrize("contract", [CONTRACT, Contract(size=224)])
@pytest.mark.parametrize(("kind", "bound"), [(np.float32, 1e-6), (np.float16, 2e-3)])
def test_aipp_is_the_networks_normalisation_for_every_byte(
    contract: Contract, kind: type, bound: float
) -> None:
    config = read_aipp(aipp_config(contract))
    assert config["src_image_size_w"] == config["src_image_size_h"] == str(contract.size)
    assert config["input_format"] == "RGB888_U8"
    values = np.arange(256, dtype=np.uint8)
    pixels = torch.from_numpy(values).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    expected = UNet("unet", 2, contract.mean, contract.std).normalise(pixels)
    for channel in range(3):
        low = kind(config[f"min_chn_{channel}"])
        scale = kind(config[f"var_reci_chn_{channel}"])
        found = (values.astype(kind) - low) * scale  # AIPP's formula; its mean_chn stays 0
        reference = expected[0, channel].flatten().numpy()
        assert np.abs(found.astype(np.float64) - reference).max() < bound * np.abs(reference).max()
    assert not any(key.startswith("mean_chn") for key in config)


@pytest.mark.parametrize("rewritten", [True, False])
def test_the_cut_model_after_aipp_is_the_model(
    network: UNet, rewritten: bool, rng: np.random.Generator
) -> None:
    model = build_model(
        Deployable(rewrite(network, "phases", 64) if rewritten else network), Contract(size=64)
    )
    cut = cut_normalisation(model, 64)
    images = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    normalised = network.normalise(torch.from_numpy(images)).numpy()
    outputs = [
        onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=["CPUExecutionProvider"]
        ).run(["probability"], {"image": image})[0]
        for graph, image in ((model, images), (cut, normalised))
    ]
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-5 < outputs[0].std()
    assert not {node.op_type for node in cut.graph.node} & {"Cast", "Transpose", "Sub", "Div"}


def test_models_that_atc_does_not_read_are_refused(exported: Path) -> None:
    model = onnx.load(exported)
    model.opset_import[0].version = 20
    with pytest.raises(InputError, match="opset 20: ATC reads at most 17"):
        cut_normalisation(model, 64)
    model = onnx.load(exported)
    sigmoid = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    sigmoid.op_type = "Softsign"
    with pytest.raises(InputError, match="Softsign"):
        cut_normalisation(model, 64)


@pytest.fixture
def path_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the PATH, less what the scripts themselves need."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder


def stand_in(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def atc(path_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in, as `atc` on the PATH; an empty folder is entered, which is returned."""
    script = Path(__file__).with_name("stand_in_atc.py")
    record = f"printf '%s\\n' \"$@\" > {path_folder}/atc.argv"
    stand_in(path_folder, "atc", f'{record}\nexec {sys.executable} {script} "$@"')
    stand_in(path_folder, "python3", "echo Python 3.11.7")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


OUTPUTS = {"model.om", "model.json", "model.log", "model.atc.onnx", "model.aipp.cfg"}


@pytest.mark.parametrize("suffix", ["", "_linux_x86_64"])
def test_atc_is_run_and_its_model_kept(
    exported: Path,
    tmp_path: Path,
    atc: Path,
    path_folder: Path,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STAND_IN_ATC_SUFFIX", suffix)
    target = tmp_path / "out" / "model.om"
    to_om(exported, target, "Ascend310P3", batches=(8, 1))
    assert target.read_bytes().startswith(b"om")
    assert {path.name for path in target.parent.iterdir()} == OUTPUTS
    assert "ATC start" in target.with_suffix(".log").read_text()
    given = (path_folder / "atc.argv").read_text().splitlines()
    sidecar = json.loads(target.with_suffix(".json").read_text())
    assert Contract.from_json(json.dumps(sidecar["contract"])) == CONTRACT
    assert sidecar["batches"] == [1, 8] and sidecar["soc_version"] == "Ascend310P3"
    assert sidecar["opset"] == 17 and len(sidecar["sha256"]) == 64
    recorded = shlex.split(sidecar["command"])[1:]
    differing = [pair for pair in zip(given, recorded, strict=True) if pair[0] != pair[1]]
    assert [theirs for _, theirs in differing] == [f"--output={target.with_suffix('')}"]


def test_atc_litters_nowhere(exported: Path, tmp_path: Path, atc: Path) -> None:
    """Relative paths are those of the folder where the command runs, not of ATC's."""
    to_om(exported, Path("my om/model.om"), "Ascend310P3")
    assert [path.name for path in atc.iterdir()] == ["my om"]
    assert {path.name for path in (atc / "my om").iterdir()} == OUTPUTS
    with pytest.raises(InputError, match="E10001"):
        to_om(exported, Path("wrong/model.om"), "Ascend999X")
    assert {path.name for path in atc.iterdir()} == {"my om", "wrong"}


def test_a_name_that_is_no_utf_8_is_refused(exported: Path, atc: Path) -> None:
    with pytest.raises(InputError, match="has a name that is not UTF-8; rename it"):
        to_om(exported, Path(os.fsdecode(b"z\xe4.om")), "Ascend310P3")
    assert not list(atc.iterdir())


def test_the_python_of_its_compiler(
    exported: Path, tmp_path: Path, atc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_ATC_NUMPY", "1")
    target = tmp_path / "out" / "model.om"
    with pytest.raises(InputError, match=r"E40020: .*give --python .*below 2"):
        to_om(exported, target, "Ascend310P3")
    own = tmp_path / "own" / "bin"
    own.mkdir(parents=True)
    with pytest.raises(InputError, match=r"--python .*: no python3 is there"):
        to_om(exported, target, "Ascend310P3", python=own / "python3")
    stand_in(own, "python3", "echo Python 3.10 with numpy 1.26.4")
    to_om(exported, target, "Ascend310P3", python=own / "python3")
    assert target.read_bytes() == b"om Python 3.10 with numpy 1.26.4"


@pytest.mark.parametrize(
    ("chip", "precision", "warned"),
    [
        ("Ascend310P3", "origin", True),
        ("Ascend310B1", "origin", True),
        ("Ascend910B3", "origin", False),
        ("Ascend310P3", "fp16", False),
    ],
)
def test_float32_is_doubted_where_convolutions_refuse_it(
    exported: Path, chip: str, precision: Any, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    to_om(exported, Path("model.om"), chip, precision=precision, dry_run=True)
    shown = capsys.readouterr()
    assert f"--precision_mode_v2={precision}" in shown.out
    assert ("mixed_float16" in shown.err) == bool(shown.err) == warned


def test_int8_is_refused_with_the_reason(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(exported)
    samples = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    quantize(model, CONTRACT, samples, tmp_path / "int8.onnx")
    with pytest.raises(InputError, match=r"INT8 already, .*AMCT.*; give the float32 file"):
        to_om(tmp_path / "int8.onnx", tmp_path / "model.om", "Ascend310P3", dry_run=True)


FAILURES = {
    "exit 1": "exit code 1: it printed nothing",
    "echo 'ATC run failed'; echo 'out of luck'; exit 3": "exit code 3: out of luck",
    "echo 'E19010: No parser is registered for Op [a]'; exit 1": "E19010: .* an operator or the opset",
    "echo 'E10001: Value [Ascend9] for parameter [--soc_version]'; exit 1": "npu-smi info",
    "echo 'EZ3003: No supported Ops kernel'; echo 'E40021: x'; exit 255": "EZ3003: .* no kernel",
    "echo 'ATC run success'; exit 0": "succeeded but wrote no model: ATC run success",
}


@pytest.mark.parametrize("script", FAILURES)
def test_failures_of_atc_are_explained(
    exported: Path, tmp_path: Path, path_folder: Path, script: str
) -> None:
    stand_in(path_folder, "atc", script)
    target = tmp_path / "out" / "model.om"
    with pytest.raises(InputError, match=FAILURES[script] + r".*; see .*model\.log"):
        to_om(exported, target, "Ascend310P3")
    names = {path.name for path in target.parent.iterdir()}
    assert names == {"model.log", "model.atc.onnx", "model.aipp.cfg"}


def test_without_atc_only_a_dry_run_is_to_be_had(
    exported: Path, tmp_path: Path, path_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out" / "model.om"
    with pytest.raises(InputError, match="not on the PATH; install CANN"):
        to_om(exported, target, "Ascend310")
    to_om(exported, target, "Ascend310", dry_run=True)
    printed = shlex.split(capsys.readouterr().out)
    assert printed[0] == "atc" and f"--output={target.with_suffix('')}" in printed
    assert not target.parent.exists()


TABLE = """+-----------------------------------------------------------------------------+
| npu-smi 24.1.0                  Version: 24.1.0                                |
+---------------------------+---------------+-----------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)               |
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)      |
+===========================+===============+===================================+
| 0     {0}               | OK            | 93.6        39                    |
| 0                         | 0000:C1:00.0  | 0           0    / 0              |
+===========================+===============+===================================+
| 1     {1}               | OK            | 93.6        39                    |
| 0                         | 0000:C2:00.0  | 0           0    / 0              |
"""


@pytest.mark.parametrize(
    ("chips", "expected"), [(("910B3", "910B3"), "Ascend910B3"), (("310", "310"), "Ascend310")]
)
def test_auto_asks_the_machine(
    exported: Path,
    tmp_path: Path,
    path_folder: Path,
    chips: tuple[str, str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in(path_folder, "npu-smi", f"cat <<'END'\n{TABLE.format(*chips)}END")
    to_om(exported, tmp_path / "model.om", "auto", dry_run=True)
    assert f"--soc_version={expected} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "npu-smi is not on the PATH"),
        ("exit 1", "shows no chip"),
        (f"cat <<'END'\n{TABLE.format('310P3', '910B3')}END", "shows 310P3, 910B3"),
    ],
)
def test_auto_without_one_kind_of_chip_is_an_error(
    exported: Path, tmp_path: Path, path_folder: Path, script: str | None, message: str
) -> None:
    if script:
        stand_in(path_folder, "npu-smi", script)
    with pytest.raises(InputError, match=f"{message}; give --soc-version"):
        to_om(exported, tmp_path / "model.om", "auto", dry_run=True)


def test_wrong_files_are_named(exported: Path, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"soc_version": "Ascend310", "dry_run": True}
    with pytest.raises(InputError, match=r"must end in \.om"):
        to_om(exported, tmp_path / "model.onnx", **arguments)
    with pytest.raises(InputError, match="no such model"):
        to_om(tmp_path / "none.onnx", tmp_path / "model.om", **arguments)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\xff\xff no onnx")
    with pytest.raises(InputError, match="not an ONNX file"):
        to_om(broken, tmp_path / "model.om", **arguments)
    model = onnx.load(exported)
    del model.metadata_props[:]
    onnx.save(model, broken)
    with pytest.raises(InputError, match="has no contract"):
        to_om(broken, tmp_path / "model.om", **arguments)


def test_an_unknown_code_is_passed_on() -> None:
    assert explain("E99999: inner error\nsee plog\n\n") == "see plog"
