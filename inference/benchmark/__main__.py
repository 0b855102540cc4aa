"""Measures model files against each other: one table of speed, accuracy and memory.

python -m inference.benchmark --model model.onnx model-int8.onnx
python -m inference.benchmark --model model.onnx --provider cpu openvino --batch 1 8 --images D --masks D
"""

from __future__ import annotations

from inference.benchmark.comparison import require_counts
from inference.benchmark.report import report, run_benchmark
from inference.benchmark.subjects import open_subjects
from inference.cli import (
    BatchSizes,
    CsvFile,
    ImagesOption,
    JsonFile,
    MaskLevelsOption,
    MasksOption,
    ModelsOption,
    ProvidersOption,
    Rounds,
    Threads,
    run,
)
from inference.models import SHIPPED, SHIPPED_INT8


def benchmark(
    model: ModelsOption = (SHIPPED, SHIPPED_INT8),
    provider: ProvidersOption = ("auto",),
    batch: BatchSizes = (1,),
    images: ImagesOption = None,
    masks: MasksOption = None,
    mask_levels: MaskLevelsOption = None,
    rounds: Rounds = 20,
    threads: Threads = 0,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> int:
    """Measure model files x providers x batch sizes, and print one table, in Markdown.

    Runs are warmed up and interleaved; rates are medians. The first row that opens is the baseline for
    the others; it is named below the table. With --images, each stage is also timed on them;
    otherwise, noise is used. --masks adds dice and jaccard. Exit code: 1 if a row failed.
    """
    require_counts(rounds, threads)
    subjects, failed = open_subjects(model, provider, batch, threads)
    return report(
        run_benchmark(subjects, failed, images, masks, rounds, threads, mask_levels),
        json_file,
        csv_file,
    )


if __name__ == "__main__":
    run(benchmark)
