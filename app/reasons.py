"""The one-line errors of the commands, in Chinese for the page's visitors."""

from __future__ import annotations

import re

# What an error says, and the Chinese for it; \1 is what the first brackets matched.
REASONS = tuple(
    (re.compile(english, re.DOTALL), chinese)
    for english, chinese in (
        (r"(.*?: )?holds no image.*", r"\1其中没有图像，请放入图像文件"),
        (r"(.*?: )?is empty; .*", r"\1文件为空，请重新复制后上传"),
        (r"(.*?: )?ends in the middle of the image; .*", r"\1图像数据不完整，请重新复制后上传"),
        (r"(.*?: )?is (?:a )?damaged.*", r"\1文件已损坏，请重新复制后上传"),
        (
            r"(.*?: )?is a DICOM file with (\d+) frames; .*",
            r"\1DICOM 文件含有 \2 帧，请将显示病灶的一帧单独存为文件",
        ),
        (
            r"(.*?: )?is a DICOM (?:file|SEG) .*",
            r"\1不支持这种 DICOM 文件，请提供皮肤镜、可见光摄影或二次捕获图像",
        ),
        (r"(.*?: )?has levels below 0, .*", r"\1含有负的像素值，请另存为 8 位图像"),
        (r"(.*?: )?has fractions from .*", r"\1无法判断像素值的范围，请另存为 8 位图像"),
        (r"(.*?: )?has colours that are .*", r"\1不支持这种颜色类型，请另存为 RGB 图像"),
        (
            r"(.*?: )?may hold images, but is not unpacked; .*",
            r"\1压缩包内的压缩包或视频不会被解开，请自行解压后上传",
        ),
        (r"(.*?: )?stores .*; save it as RGB", r"\1不支持这种像素存储方式，请另存为 RGB 图像"),
        (r"(.*?: )?is an? (\S+(?: \S+)?) image, .*", r"\1不支持 \2 图像，请转换为 PNG 或 JPEG"),
        (
            r"(.*?: )?looks like an? (.+) image, .*",
            r"\1内容像是 \2 图像，但文件名没有图像扩展名，请重命名",
        ),
        (r"(.*?: )?looks like an image \((.+)\),? .*", r"\1不支持 \2 图像，请转换为 PNG 或 JPEG"),
        (r"(.*?: )?is not an image .*", r"\1不是可读取的图像，请转换为 PNG 或 JPEG"),
        (r"(.*?: )?has too many pixels .*", r"\1图像的像素过多，请缩小后重新上传"),
        (r"(.*?: )?cannot be decoded .*", r"\1无法解码，请转换为 PNG"),
        (r"(.*?: )?is not a regular file .*", r"\1文件过大，或不是普通文件，请换一个文件上传"),
        (r"(.*?: )?is not a zip archive .*", r"\1不是有效的 zip 压缩包，请重新打包"),
        (r"(.*?: )?has a path that leads out .*", r"\1压缩包内有指向包外的路径，请重新打包"),
        (
            r"(.*?: )?unpacks to more than (\d+) bytes; .*",
            r"\1解压后超过 \2 字节，请自行解压后上传",
        ),
        (r"(.*?: )?cannot be unpacked .*", r"\1无法解压，请自行解压后上传"),
        (r"(.*?: )?has too long a name, .*", r"\1文件名过长，请重命名"),
        (
            r"(.*?: )?(.+), a file or folder in .* is in the way .*",
            r"\1输出文件夹中已有名为 \2 的文件或文件夹，请重命名",
        ),
        (r"(.*?: )?does not fit into memory; .*", r"\1内存不足，请缩小图像后重新上传"),
        (r"(.*?: )?failed with (\w+) .*", r"\1处理失败（\2），请转换为 PNG 或去掉该图像"),
        (r"(\d+) images: at most (\d+) at once; .*", r"共 \1 张图像，一次最多 \2 张，请分批上传"),
        (r"no images: .*", r"没有图像，请上传图像或图像的 zip 压缩包"),
        (r"model (.*): must be one of (.*)", r"没有模型 \1，可选：\2"),
        (r"contract with threshold (\S+): .*", r"阈值 \1：须在 0 到 1 之间，请修改"),
        (r"strokes that cannot be read: .*", r"无法读取笔迹，请刷新页面后重新绘制"),
        (r"too many strokes: .*", r"笔迹过多，请撤销一些，或换用更细的画笔"),
        (r"a scale of zero length: .*", r"标定长度为零，请点击两个不同的点"),
        (r"the length between the points: .*", r"两点间的长度须大于 0 且不超过 1000 毫米"),
        (r"corrections cannot be saved .*", r"无法保存修正结果，请联系本服务器的管理员"),
        (
            r"the folder of corrections is full: .* (\d+) pairs",
            r"修正数据文件夹已满：已有 \1 对图像和掩码",
        ),
    )
)


def translate(reason: str) -> str:
    """The Chinese for an error; one that is not listed is quoted."""
    for pattern, chinese in REASONS:
        if found := pattern.fullmatch(reason):
            return found.expand(chinese)
    return f"无法处理：{reason}"
