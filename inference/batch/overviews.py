"""The overviews of a run, by the names that --save takes; a new one gets its entry here."""

from __future__ import annotations

from inference.batch.coco import COCO
from inference.batch.cvat import CVAT
from inference.batch.labelstudio import LABEL_STUDIO
from inference.batch.overview import Overview
from inference.batch.report import REPORT
from inference.batch.sheet import SHEET
from inference.batch.tables import MEASURES

OVERVIEWS: dict[str, Overview] = {
    each.name: each for each in (MEASURES, SHEET, REPORT, COCO, CVAT, LABEL_STUDIO)
}
