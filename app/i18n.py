"""What the page says, in English and in Chinese; the switch, or else the browser's language, chooses."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

COOKIE = "language"  # languages.js sets it: en or zh

WORDS = {
    "heading": (
        "# Lesion outlines\nUpload a dermoscopic photo. It is deleted from this server within an hour.",
        "# 病灶轮廓\n请上传一张皮肤镜图像，文件会在一小时内从服务器删除。",
    ),
    "warning": (
        "**Not a medical device.** It outlines what looks like a lesion; it makes no diagnosis. "
        "See a doctor about any change in your skin.",
        "**非医疗器械。** 本工具只勾画疑似病灶的轮廓，不作诊断。皮肤如有变化，请就医。",
    ),
    "segment": ("Segment", "分割"),
    "batch": ("Batch", "批量"),
    "compare": ("Compare", "对比"),
    "about": ("About", "关于"),
    "photograph": ("Dermoscopic photo", "皮肤镜图像"),
    "drop": ("Drop a photo here, or click to upload", "将照片拖到此处，或点击上传"),
    "heat": ("Map of the lesion probability over the photo", "叠加在照片上的病灶概率图"),
    "examples": ("Examples", "示例"),
    "settings": ("Settings", "设置"),
    "threshold": ("Probability threshold", "概率阈值"),
    "largest": ("Largest region only", "仅保留最大连通区域"),
    "holes": ("Fill holes", "填充孔洞"),
    "mm_per_pixel": ("Pixel size in mm (0: unknown)", "每像素毫米数（0 表示未知）"),
    "wrong_scale": (
        "{value} mm per pixel: must be from 0 to 10, as in 0.02; correct it",
        "每像素 {value} 毫米：须在 0 到 10 之间，例如 0.02，请修改",
    ),
    "before_after": ("Before/after", "前后对比"),
    "outline": ("Outline", "轮廓"),
    "probability": ("Probability", "概率图"),
    "correct": ("Correct", "修正"),
    "correct_help": (
        "Paint what is missing and erase what is wrong, or click both ends of a known length to set the "
        "scale. The measurements and files update automatically.",
        "用画笔补上遗漏的部分，用橡皮擦擦去多余的部分；也可以点击一段已知长度的两端来标定尺寸。测量值和文件会随之更新。",
    ),
    "brush": ("Brush", "画笔"),
    "eraser": ("Eraser", "橡皮擦"),
    "ruler": ("Scale", "尺寸标定"),
    "radius": ("Width", "粗细"),
    "undo": ("Undo", "撤销"),
    "clear": ("Discard corrections", "放弃修正"),
    "zoom": ("Zoom", "缩放"),
    "length": ("Length in mm", "长度（毫米）"),
    "canvas": (
        "Photo with the mask. Arrow keys move the brush, Space paints, Ctrl+Z undoes.",
        "照片和掩码。方向键移动画笔，空格键绘制，Ctrl+Z 撤销。",
    ),
    "save_pair": ("Save for training", "存为训练数据"),
    "kept_here": (
        "The photo and its mask stay on this server, for training, until the operator deletes them.",
        "照片和掩码会保留在本服务器上用于训练，直到管理员将其删除。",
    ),
    "pair_offered": (
        "A zip with the photo and its mask; for training, unpack several into the same folder.",
        "照片及其掩码的 zip 压缩包；可以把多个压缩包解压到同一文件夹用于训练。",
    ),
    "pair_saved": ("Saved as {name}.", "已保存为 {name}。"),
    "pair": ("Photo and mask", "照片和掩码"),
    "outlined": (
        "The photo with the lesion outlined: {percent} % of the image",
        "已勾画病灶的照片：病灶占图像面积的 {percent} %",
    ),
    "sure": ("**Likely good.**", "**轮廓较可靠。**"),
    "doubtful": ("**Check this outline.**", "**请复核此轮廓。**"),
    "overlap": (
        "Expected overlap with an expert's outline (IoU): {expected}; check outlines below {limit}.",
        "与专家勾画的预计重叠度（IoU）：{expected}；低于 {limit} 时需要复核。",
    ),
    "not_a_lesion": (
        "**This does not look like a dermoscopic photo of a lesion.** Do not rely on the outline.",
        "**这张图不像是皮肤镜下的病灶。** 此轮廓不可信。",
    ),
    "no_lesion": (
        "**No lesion found** at this threshold.",
        "**当前阈值下未找到病灶。**",
    ),
    "own_threshold": (
        "**Not rated:** the model can rate outlines only at its own threshold, {threshold}.",
        "**未评估：** 只有在模型自带的阈值 {threshold} 下才能评估轮廓的可信度。",
    ),
    "corrected": (
        "**Corrected by hand.** The model does not rate this outline.",
        "**已人工修正。** 模型不评估此轮廓。",
    ),
    "unjudged": (
        "**Not rated:** this model does not estimate how reliable its outlines are.",
        "**未评估：** 此模型不提供轮廓的可信度。",
    ),
    "cut_off": (
        "**The lesion touches the border of the image:** its measurements are too small.",
        "**病灶延伸到图像边缘：** 测量值偏小。",
    ),
    "expected": ("Expected overlap (IoU)", "预计重叠度（IoU）"),
    "unknown": ("not rated", "未评估"),
    "check": ("check", "需复核"),
    "measures": ("Measurements", "测量值"),
    "value": ("Value", "数值"),
    "downloads": ("Mask, overlay, GeoJSON and CSV", "掩码、叠加图、GeoJSON 和 CSV"),
    "files": ("Photos, or a zip of photos", "照片，或照片的 zip 压缩包"),
    "run": ("Segment all", "全部分割"),
    "gallery": ("Outlines", "轮廓"),
    "archive": ("All results as a zip", "全部结果（zip）"),
    "image": ("Image", "图像"),
    "first": ("First model", "第一个模型"),
    "second": ("Second model", "第二个模型"),
    "difference": (
        "Difference: red is only in the first, blue only in the second",
        "差异：红色为仅第一个模型标出的部分，蓝色为仅第二个模型标出的部分",
    ),
    "alike": ("The two masks are identical.", "两个掩码完全相同。"),
    "differ": (
        "The masks overlap by **{overlap} %** (IoU). {first} % of the image is marked only by the first "
        "model, {second} % only by the second.",
        "两个掩码的重叠度（IoU）为 **{overlap} %**。仅第一个模型标出的部分占图像的 {first} %，"
        "仅第二个模型标出的占 {second} %。",
    ),
    "model": ("Model", "模型"),
    "area": ("Area", "面积"),
    "time": ("Time", "耗时"),
    "files_first": (
        "First upload photos, or a zip of photos.",
        "请先上传照片，或照片的 zip 压缩包。",
    ),
    "photo_first": ("Upload a photo first.", "请先上传照片。"),
    "unreadable": ("{name} cannot be read as an image: {reason}", "无法读取图像 {name}：{reason}"),
    "gone": ("has been deleted; upload it again", "文件已被删除，请重新上传"),
    "done": ("{done} segmented, {failed} failed.", "成功 {done} 张，失败 {failed} 张。"),
    "failed": ("Not segmented: ", "分割失败："),
    "progress": ("images", "张图像"),
    "area_px": ("Area", "面积"),
    "area_percent": ("Share of the image", "占图像比例"),
    "equivalent_diameter_px": ("Equivalent diameter", "等效直径"),
    "largest_diameter_px": ("Largest diameter", "最大直径"),
    "perimeter_px": ("Perimeter", "周长"),
    "compactness": ("Compactness (1 for a circle)", "紧凑度（圆为 1）"),
    "asymmetry": ("Asymmetry (0 if symmetric)", "不对称性（对称为 0）"),
    "border_percent": ("Image border touched", "图像边缘被病灶占据的比例"),
    "mean_probability": ("Mean probability inside", "病灶内平均概率"),
    "scored": (
        "Mean over test images not used in training, with the 95 % confidence interval.",
        "在未参与训练的测试图像上的均值，附 95 % 置信区间。",
    ),
    "dice": ("Dice", "Dice 系数"),
    "jaccard": ("Jaccard (IoU)", "Jaccard 指数（IoU）"),
    "sensitivity": ("Sensitivity", "灵敏度"),
    "limits": (
        "### Limits\n"
        "- Not a medical device: it outlines what looks like a lesion, and makes no diagnosis.\n"
        "- It works only on dermoscopic photos; in other images, it still outlines something.\n"
        "- A lesion that touches the border of the image is cut off; its measurements are too small.\n"
        "- A photo does not record the size of a pixel: sizes are in pixels until you set the scale.",
        "### 局限\n"
        "- 非医疗器械：只勾画疑似病灶的轮廓，不作诊断。\n"
        "- 只适用于皮肤镜图像；遇到其他图片，也照样会勾画出一块区域。\n"
        "- 延伸到图像边缘的病灶没有拍全，测量值偏小。\n"
        "- 照片本身不含像素的实际大小：标定之前，尺寸均以像素为单位。",
    ),
    "card": ("Model card (in English)", "模型卡（英文）"),
}
ENGLISH = {key: english for key, (english, _) in WORDS.items()}
CHINESE = {key: chinese for key, (_, chinese) in WORDS.items()}


def speak(header: str | None, cookie: str | None = None) -> dict[str, str]:
    """The words for a visitor.

    Args:
        header: Accept-Language: Chinese if that comes first, else English.
        cookie: the Cookie header, in which the page's switch goes before the browser.
    """
    try:
        chosen = SimpleCookie(cookie or "").get(COOKIE)
    except CookieError:
        chosen = None
    language = chosen.value if chosen else (header or "").strip().lower()
    return CHINESE if language.startswith("zh") else ENGLISH
