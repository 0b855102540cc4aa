"""What the page says, in English and in Chinese; the browser's language chooses."""

from __future__ import annotations

WORDS = {
    "heading": (
        "# Lesion outlines\nUpload a dermoscopic photo. It is deleted from this server within an hour.",
        "# 皮损轮廓\n请上传一张皮肤镜照片；照片最多在服务器上保留一小时。",
    ),
    "warning": (
        "**Not a medical device.** It outlines what looks like a lesion; it does not say what it is. "
        "See a doctor about any change in your skin.",
        "**非医疗器械。** 本工具只勾画疑似皮损的轮廓，不作诊断。皮肤如有变化，请就医。",
    ),
    "segment": ("Segment", "分割"),
    "batch": ("Batch", "批量"),
    "compare": ("Compare", "比较"),
    "about": ("About the model", "关于模型"),
    "photograph": ("Dermoscopic photo", "皮肤镜照片"),
    "threshold": ("Probability threshold", "概率阈值"),
    "largest": ("Largest region only", "仅保留最大区域"),
    "holes": ("Fill holes", "填充孔洞"),
    "before_after": ("Before and after", "前后对比"),
    "outline": ("Outline", "轮廓"),
    "probability": ("Probability", "概率图"),
    "downloads": ("Mask, overlay and GeoJSON", "掩膜、叠加图与 GeoJSON"),
    "files": ("Photos, or a zip of photos", "图像或图像压缩包"),
    "run": ("Segment all", "全部分割"),
    "gallery": ("Outlines", "轮廓"),
    "table": ("One line per image", "每张图像一行"),
    "archive": ("All results as a zip", "全部结果（zip）"),
    "first": ("First model", "第一个模型"),
    "second": ("Second model", "第二个模型"),
    "difference": (
        "Difference: red only in the first, blue only in the second",
        "差异：红色仅属第一个模型，蓝色仅属第二个模型",
    ),
    "files_first": ("Upload photos, or a zip of photos, first.", "请先上传图像或压缩包。"),
    "unreadable": (
        "{name} cannot be read as an image: {reason}",
        "无法将 {name} 读作图像：{reason}",
    ),
    "done": ("{done} segmented, {failed} failed.", "已分割 {done} 张，失败 {failed} 张。"),
    "failed": ("Not segmented: ", "未分割："),
    "agreement": ("Overlap of the masks (IoU)", "掩膜重叠（IoU）"),
    "time": ("Time", "用时"),
    "area_px": ("Area", "面积"),
    "area_percent": ("Share of the image", "占画面比例"),
    "equivalent_diameter_px": ("Diameter of a disc of equal area", "等面积圆直径"),
    "largest_diameter_px": ("Largest diameter", "最大直径"),
    "perimeter_px": ("Perimeter", "周长"),
    "compactness": ("Compactness (1 for a disc)", "紧凑度（圆为 1）"),
    "asymmetry": ("Asymmetry (0 if symmetric)", "不对称度（0 为对称）"),
    "border_percent": ("Image border touched", "触及画面边缘"),
    "mean_probability": ("Mean probability inside", "区域内平均概率"),
}
ENGLISH = {key: english for key, (english, _) in WORDS.items()}
CHINESE = {key: chinese for key, (_, chinese) in WORDS.items()}


def speak(header: str | None) -> dict[str, str]:
    """The words for an Accept-Language header: Chinese if that comes first, else English."""
    return CHINESE if (header or "").strip().lower().startswith("zh") else ENGLISH
