"""What the repository says to those who come to it is what the project says itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.source_tree import MODULES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def read_yaml(name: str) -> dict[Any, Any]:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


WORKFLOW = read_yaml(".github/workflows/check.yml")
JOBS: dict[str, Any] = WORKFLOW["jobs"]


def commands(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def supported() -> list[str]:
    """The Pythons of requires-python, as in 3.10."""
    match = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"])
    assert match
    return [f"3.{minor}" for minor in range(int(match[1]), int(match[2]))]


def test_every_supported_python_is_checked() -> None:
    assert JOBS["check"]["strategy"]["matrix"]["python"] == supported()
    assert JOBS["inference"]["strategy"]["matrix"]["python"] == [supported()[0], supported()[-1]]
    assert {"make tour", "make check"} <= set(commands("check"))


def test_the_targets_of_the_workflow_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for job in JOBS:
        for command in commands(job):
            if command.startswith("make "):
                assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE), command


def test_torch_comes_without_cuda_and_inference_without_torch() -> None:
    index = JOBS["check"]["env"]["PIP_EXTRA_INDEX_URL"]
    assert index == "https://download.pytorch.org/whl/cpu"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in commands("inference")[:-1]:  # targets that install the base dependencies alone
        assert re.search(rf"^{command.split()[1]}: \.venv/base ", makefile, re.MULTILINE), command
    assert {"make doctor", "make demo"} <= set(commands("inference"))
    refusal = commands("inference")[-1]
    for listed, code in (
        ("numpy 2\n", 0),
        ("torch 2\n", 1),
        ("onnx 1\n", 1),
        ("onnxruntime 1\n", 0),
    ):
        script = f"pip() {{ printf '{listed}'; }}; {refusal.replace('.venv/bin/pip', 'pip')}"
        assert subprocess.run(["bash", "-c", script], check=False).returncode == code


def test_the_workflow_is_thrifty_and_pinned() -> None:
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is True
    assert WORKFLOW["permissions"] == {"contents": "read"}
    for job in JOBS.values():
        assert job["runs-on"] != "ubuntu-latest" and job["timeout-minutes"] <= 60
        used = [step["uses"] for step in job["steps"] if "uses" in step]
        assert all(re.fullmatch(r"[\w/-]+@v\d+", action) for action in used)
        (setup,) = (step["with"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
        assert setup["cache"] == "pip"
        assert all((ROOT / path).is_file() for path in setup["cache-dependency-path"].split())


def test_hooks_are_the_checks_of_make_lint() -> None:
    hooks = {
        hook["id"]: hook
        for repository in read_yaml(".pre-commit-config.yaml")["repos"]
        for hook in repository["hooks"]
    }
    assert {"end-of-file-fixer", "check-added-large-files"} <= set(hooks)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("ruff-format", "ruff", "mypy"):
        program, *arguments = hooks[name]["entry"].split()
        assert program.startswith(".venv/bin/")
        called = " ".join([program.replace(".venv/bin", "$(BIN)"), *arguments[:1]])
        assert called in makefile, called
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    large = hooks["check-added-large-files"]
    limit = int(large["args"][0].removeprefix("--maxkb="))
    for name in listed.stdout.splitlines():
        assert re.match(large["exclude"], name) or (ROOT / name).stat().st_size <= 1024 * limit, (
            name
        )


def test_the_citation_is_of_this_version_and_names_the_papers() -> None:
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]
    assert citation["title"] == f"{PROJECT['name']}: {PROJECT['description']}"
    assert citation["message"]
    assert [list(author) for author in citation["authors"]] == [["name"]]  # no persons
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)
    cited = {reference.get("url") or reference["doi"] for reference in citation["references"]}
    papers = {
        link.removeprefix("https://doi.org/")
        for link in re.findall(r"\]\((https://(?:arxiv\.org/abs|doi\.org)/[^)]+)\)", README)
    }
    assert papers and papers <= cited


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## \[(.+?)\] - (unreleased|\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    assert first and first[1] == PROJECT["version"]
    kinds = set(re.findall(r"^### (\w+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_names_in_the_guide_are_names_in_the_code() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name, path in re.findall(
        r"`([A-Z]\w+)`(?: and its \w+ in `[A-Z]+`)? in\s+`([\w/]+\.py)`", guide
    ):
        assert re.search(rf"^{name}\b", (ROOT / path).read_text(), re.MULTILINE), (name, path)
    for path in re.findall(r"`((?:\w+/)+\w+\.py)`", guide):
        assert (ROOT / path).is_file(), path
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make (\w+)", guide):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def read_tree(page: str) -> dict[str, str]:
    """What each file of a tree is for, by its path; folders end in a slash and indent what they hold."""
    (tree,) = re.findall(r"## Every file\n.*?```\n(.*?)```", page, re.DOTALL)
    phrases: dict[str, str] = {}
    folders: list[str] = []
    for line in tree.splitlines():
        name, phrase = line.split(maxsplit=1)
        depth = (len(line) - len(line.lstrip())) // 2
        folders[depth:] = [name]
        if not name.endswith("/"):
            phrases["".join(folders)] = phrase
    return phrases


def test_the_guide_lists_every_module() -> None:
    listed = read_tree((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES.values()
        if path.stat().st_size  # an empty __init__.py says nothing
    }
    assert modules - listed.keys() == set(), "CONTRIBUTING.md, Every file: add a line for these"
    assert listed.keys() - modules == set(), "CONTRIBUTING.md, Every file: these are gone"


@pytest.mark.parametrize("name", ["bug", "question"])
def test_issue_forms_ask_for_what_helps(name: str) -> None:
    form = read_yaml(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    asked = {field.get("id"): field for field in form["body"]}
    assert all(
        field["type"] == "markdown" or field["validations"]["required"] for field in asked.values()
    )
    if name == "bug":
        command = asked["doctor"]["attributes"]["description"]
        assert "make doctor" in command and "python -m inference.doctor" in command
        assert (ROOT / "SECURITY.md").is_file()
