"""A run over many images, whatever computes them: what is waiting, what is finished, what is written."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from inference.batch.journal import ResumeJournal, stamp
from inference.batch.options import SegmentOptions
from inference.batch.output_paths import name_outputs, refuse_links
from inference.batch.overview import Results
from inference.batch.overviews import OVERVIEWS
from inference.batch.remarks import remark_on_outlines
from inference.batch.tables import write_table
from inference.batch.writer import Done, MaskRow, product_paths
from inference.cli import escape_line, track, warn
from inference.contract import Contract
from inference.errors import InputError
from inference.files import write_json
from inference.images.find import find_sources
from inference.images.folders import PassedOver, describe_passed
from inference.images.formats import LOST
from inference.images.pixels import Source
from inference.runtime.stream import Failure

Item = TypeVar("Item")


class Job:
    """Finds the images, and which of them an earlier run has finished.

    Args:
        images: as `find_sources` takes them.
        fingerprint: what the masks depend on, for `ResumeJournal`.
        shard: "i/n": every n-th image, starting with the i-th.
        files_only: refuse images that other machines cannot read.

    Attributes:
        stems: all images of this run, and where the files of each go.
        passed: files that look like images and are not taken, folders and archives that cannot be read;
            errors.csv names them.
        waiting: the images that are not finished.

    Raises:
        InputError: an argument is wrong, or there is no image.
    """

    def __init__(
        self,
        images: Sequence[str],
        options: SegmentOptions,
        fingerprint: dict[str, Any],
        shard: str = "1/1",
        files_only: bool = False,
    ) -> None:
        index, count = parse_shard(shard)
        self.part = f"-{index}-of-{count}" if count > 1 else ""
        self.options, self.output = options, options.output
        self.fingerprint = fingerprint
        passed: list[PassedOver] = []
        named = name_outputs(find_sources(images, passed), self.output)
        self.passed = list(dict.fromkeys(passed))[index - 1 :: count]
        if files_only:
            require_files(named)
        if self.passed:
            warn(escape_line(describe_passed(self.passed)))
        self.stems = dict(list(named.items())[index - 1 :: count])
        self.start = time.perf_counter()
        self.journal = ResumeJournal(self.output, self.part, fingerprint, options.resume)
        if not options.resume:
            self._remove_tables()
        found = {
            source: self.journal.find(source, stem, options.products)
            for source, stem in self.stems.items()
        }
        self.finished = {source: done for source, done in found.items() if done}
        self.failed: dict[Source, Failure] = {}
        self.waiting = [source for source, done in found.items() if not done]
        self.kept = len(self.finished)
        self.stamps: dict[Source, str] = {}

    @property
    def threshold(self) -> float:
        """Of the masks of this run: the model's, or the one that was asked for."""
        return Contract.from_json(self.fingerprint["contract"]).threshold

    def hand_out(self) -> Iterator[Source]:
        """Yields what is waiting, each stamped before it is read."""
        for source in self.waiting:
            self.stamps[source] = stamp(source)
            yield source

    def run(
        self,
        results: Iterable[tuple[Source, Done | Failure]],
        threads: int,
        stages: Mapping[str, float],
    ) -> int:
        """Takes in the results of all waiting images, in any order, then writes tables and pages.

        Args:
            threads: that draw the pages.
            stages: seconds per stage, for the summary; filled while the results come.

        Returns:
            The command's exit code: 0 if every image was segmented and all folders and archives were
            searched, else 1.
        """
        with self.journal:
            self._collect(results)
            summary = self._summarise(stages)
            self._write_tables(threads)
        if self.options.json_file:
            write_json(self.options.json_file, summary, indent=2)
        before = f", {self.kept} of them in an earlier run," if self.kept else ""
        warn(
            f"{len(self.finished)} of {len(self.stems)} images segmented into {self.output}{before} "
            f"in {summary['seconds']:.1f} s, {summary['fps']} images/s"
        )
        for remark in remark_on_outlines([done.row for _, done in self._in_order(self.finished)]):
            warn(escape_line(remark))
        lost = any(each.kind in LOST for each in self.passed)
        return 1 if self.failed or lost else 0

    def _collect(self, results: Iterable[tuple[Source, Done | Failure]]) -> None:
        """Notes each result as it comes, so that a run that is killed can be resumed."""
        products = self.options.products
        for source, result in track(results, "segmenting", len(self.waiting)):
            if isinstance(result, Done):
                self.finished[source] = result
                self.journal.add(source, self.stems[source], self.stamps[source], result, products)
            else:
                self.failed[source] = result
                self._remove_files(source)
                warn(escape_line(f"skipped {result.error}"))

    def _remove_files(self, source: Source) -> None:
        """Removes what an earlier run wrote of an image that can no longer be segmented."""
        stem = self.stems[source]
        with suppress(OSError, InputError):
            refuse_links(self.output, stem)
            for path in product_paths(self.output / stem, self.options.products).values():
                path.unlink(missing_ok=True)

    def _remove_tables(self) -> None:
        """Removes what an earlier run said of this folder, so that it is not taken for this run's."""
        for name in ("masks.csv", "errors.csv", *(each.file for each in OVERVIEWS.values())):
            self._place(name).unlink(missing_ok=True)

    def _summarise(self, stages: Mapping[str, float]) -> dict[str, Any]:
        seconds = time.perf_counter() - self.start
        return {
            "threshold": self.threshold,
            "images": len(self.finished),
            "errors": len(self.failed),
            "passed_over": len(self.passed),
            "kept": self.kept,
            "seconds": round(seconds, 3),
            "fps": round((len(self.finished) - self.kept) / seconds, 2),
            "stages": {stage: round(spent, 3) for stage, spent in stages.items()},
        }

    def _write_tables(self, threads: int) -> None:
        done, failures = self._in_order(self.finished), self._in_order(self.failed)
        results = Results(
            self.output,
            self.part,
            self.stems,
            self.options.save,
            done,
            [failure for _, failure in failures]
            + [Failure(each.name, each.error) for each in self.passed],
            (self.options.model, *self.options.ensemble),
            self.fingerprint,
            self.options.mm_per_pixel,
            threads,
        )
        rows = ((*image.row, self.threshold) for _, image in done)
        write_table(self._place("masks.csv"), (*MaskRow._fields, "threshold"), rows)
        write_table(self._place("errors.csv"), Failure._fields, results.failures)
        for name, overview in OVERVIEWS.items():
            if name in self.options.save:
                overview.write(self._place(overview.file), results)

    def _place(self, name: str) -> Path:
        """Where a table of this run, or of its shard, goes."""
        path = self.output / name
        return path.with_name(f"{path.stem}{self.part}{path.suffix}")

    def _in_order(self, results: Mapping[Source, Item]) -> list[tuple[Source, Item]]:
        """Results in the order in which the images were given."""
        return [(source, results[source]) for source in self.stems if source in results]


def require_files(sources: Iterable[Source]) -> None:
    """Raises InputError for an image that is not a file, such as a member of an archive."""
    for source in sources:
        if not isinstance(source, Path):
            raise InputError(
                f"{source}: is not a file; a cluster can only read files that all machines can access"
            )


def parse_shard(shard: str) -> tuple[int, int]:
    """Turns "2/5" into (2, 5)."""
    try:
        index, count = map(int, shard.split("/"))
    except ValueError:
        index = count = 0
    if not 1 <= index <= count:
        raise InputError(f"--shard {shard}: must be i/n with i from 1 to n, as in 2/5")
    return index, count
