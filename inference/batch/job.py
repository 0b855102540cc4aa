"""A run over many images, whoever computes them: what waits, what is finished, what is left behind."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from inference.batch.journal import ResumeJournal
from inference.batch.output_paths import name_outputs
from inference.batch.report import write_report, write_sheet
from inference.batch.tables import write_measures, write_table
from inference.batch.writer import Done, Failure, Product, Row
from inference.cli import track
from inference.errors import InputError
from inference.files import replacing
from inference.images.find import find_sources
from inference.images.pixels import Source

Saved = Product | Literal["sheet", "report"]


class Job:
    """Finds the images, and those of them that are finished already if the run is resumed.

    Args:
        images: as `find_sources` takes them.
        output: folder for all that is written.
        save: what is written.
        settings: what the masks depend on, for `ResumeJournal`.
        resume: keep what is finished and whole.
        shard: "i/n": every n-th image, from the i-th on.
        mm_per_pixel: for measures in mm.
        files_only: refuse images that other machines cannot read.

    Attributes:
        stems: all images of this run, and where the files of each go.
        kinds: what is written of each image.
        waiting: the images that are not finished.

    Raises:
        InputError: an argument is wrong, or there is no image.
    """

    def __init__(
        self,
        images: Sequence[str],
        output: Path,
        save: Collection[Saved],
        settings: dict[str, Any],
        resume: bool,
        shard: str = "1/1",
        mm_per_pixel: float | None = None,
        files_only: bool = False,
    ) -> None:
        if {"sheet", "report"} & set(save) and "mask" not in save:
            raise InputError("--save sheet or report: they show the masks; add mask")
        if mm_per_pixel is not None and not 0 < mm_per_pixel < math.inf:
            raise InputError(
                f"--mm-per-pixel {mm_per_pixel}: must be above 0 and finite, as in 0.02"
            )
        index, count = parse_shard(shard)
        self.part = f"-{index}-of-{count}" if count > 1 else ""
        self.output, self.save, self.mm_per_pixel = output, save, mm_per_pixel
        self.kinds = frozenset(save) - {"sheet", "report"}
        named = name_outputs(find_sources(images), output)
        alone = [source for source in named if not isinstance(source, Path)]
        if files_only and alone:
            raise InputError(f"{alone[0]}: is no file; a cluster takes files that all machines see")
        self.stems = dict(list(named.items())[index - 1 :: count])
        self.start = time.perf_counter()
        self.journal = ResumeJournal(output, self.part, settings, resume)
        self.finished: dict[Source, Done] = {}
        for source, stem in self.stems.items():
            if done := self.journal.find(source, stem, self.kinds):
                self.finished[source] = done
        self.waiting = [source for source in self.stems if source not in self.finished]
        self.kept = len(self.finished)

    def run(
        self,
        results: Iterable[tuple[Source, Done | Failure]],
        threads: int,
        stages: Mapping[str, float],
        json_file: Path | None,
    ) -> int:
        """Takes in the results of all waiting images, in any order, and writes what is asked for of all.

        Args:
            stages: seconds by stage, for the summary; filled while the results come.

        Returns:
            The command's exit code: 0 if every image was segmented, else 1.
        """
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        failed: dict[Source, Failure] = {}
        with self.journal as journal:
            for source, result in track(results, "segmenting", len(self.waiting)):
                if isinstance(result, Done):
                    self.finished[source] = result
                    journal.add(source, self.stems[source], result, self.kinds)
                else:
                    failed[source] = result
                    console.print(f"skipped {result.error}", markup=False)
        seconds = time.perf_counter() - self.start
        summary = {
            "images": len(self.finished),
            "errors": len(failed),
            "kept": self.kept,
            "seconds": round(seconds, 3),
            "fps": round((len(self.finished) - self.kept) / seconds, 2),
            "stages": {stage: round(spent, 3) for stage, spent in stages.items()},
        }
        failures = [failed[source] for source in self.stems if source in failed]
        self._write_tables(failures)
        self._write_pages(failures, summary, threads)
        if json_file:
            with replacing(json_file) as temporary:
                temporary.write_text(json.dumps(summary, indent=2) + "\n")
        console.print(
            f"{len(self.finished)} of {len(self.stems)} images segmented into {self.output}"
            + (f", {self.kept} of them before," if self.kept else "")
            + f" in {seconds:.1f} s, {summary['fps']} images/s",
            markup=False,
        )
        return 1 if failures else 0

    def _write_tables(self, failures: Sequence[Failure]) -> None:
        dones = [self.finished[source] for source in self.stems if source in self.finished]
        rows = (done.row for done in dones)
        write_table(self.output / f"masks{self.part}.csv", Row._fields, rows)
        write_table(self.output / f"errors{self.part}.csv", Failure._fields, failures)
        if "csv" in self.save:
            write_measures(self.output / f"measures{self.part}.csv", dones, self.mm_per_pixel)

    def _write_pages(
        self, failures: Sequence[Failure], summary: dict[str, object], threads: int
    ) -> None:
        shown = [
            (source, self.finished[source]) for source in self.stems if source in self.finished
        ]
        if "sheet" in self.save:
            write_sheet(self.output / f"sheet{self.part}.jpg", self.output, shown, threads)
        if "report" in self.save:
            page = self.output / f"report{self.part}.html"
            write_report(page, self.output, summary, shown, failures, threads)


def parse_shard(shard: str) -> tuple[int, int]:
    """Turns "2/5" into (2, 5)."""
    try:
        index, count = map(int, shard.split("/"))
    except ValueError:
        index = count = 0
    if not 1 <= index <= count:
        raise InputError(f"--shard {shard}: must be i/n with i from 1 to n, as in 2/5")
    return index, count
