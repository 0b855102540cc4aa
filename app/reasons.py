"""The one-line errors of the commands, in Chinese for the page's visitors."""

from __future__ import annotations

import re

# What an error says, and the Chinese for it; \1 is what the first brackets matched.
REASONS = tuple(
    (re.compile(english, re.DOTALL), chinese)
    for english, chinese in (
        (r"(.*?: )?holds no image.*", r"\1没有图像；请放入图像文件"),
        (r"(.*?: )?is empty; .*", r"\1文件为空；请重新复制"),
        (r"(.*?: )?ends in the middle of the image; .*", r"\1图像不完整；请重新复制"),
        (r"(.*?: )?is (?:a )?damaged.*", r"\1图像已损坏；请重新复制"),
        (
            r"(.*?: )?is a DICOM file with (\d+) frames; .*",
            r"\1DICOM 文件含有 \2 帧；请将显示病灶的一帧另存为文件",
        ),
        (
            r"(.*?: )?is a DICOM (?:file|SEG) .*",
            r"\1不支持这种 DICOM 文件；请提供皮肤镜、可见光照片或二次采集图像",
        ),
        (r"(.*?: )?has levels below 0, .*", r"\1含有负的像素值；请另存为 8 位图像"),
        (r"(.*?: )?has fractions from .*", r"\1像素值范围无法识别；请另存为 8 位图像"),
        (r"(.*?: )?has colours that are .*", r"\1颜色类型不受支持；请另存为 RGB 图像"),
        (r"(.*?: )?is an? (\S+(?: \S+)?) image, .*", r"\1不支持 \2 图像；请转换为 PNG 或 JPEG"),
        (
            r"(.*?: )?looks like an? (.+) image, .*",
            r"\1像是 \2 图像，但文件名没有图像扩展名；请重命名",
        ),
        (r"(.*?: )?looks like an image \((.+)\),? .*", r"\1不支持 \2 图像；请转换为 PNG 或 JPEG"),
        (r"(.*?: )?is not an image .*", r"\1不是可读取的图像；请转换为 PNG 或 JPEG"),
        (r"(.*?: )?has too many pixels .*", r"\1像素过多；请缩小后重新上传"),
        (r"(.*?: )?cannot be decoded .*", r"\1无法解码；请转换为 PNG"),
        (r"(.*?: )?is not a regular file .*", r"\1文件过大或不是普通文件；请重新上传"),
        (r"(.*?: )?is not a zip archive .*", r"\1不是 zip 压缩包；请重新打包"),
        (r"(.*?: )?has a path that leads out .*", r"\1路径指向压缩包之外；请重新打包"),
        (r"(.*?: )?unpacks to more than (\d+) bytes; .*", r"\1解压后超过 \2 字节；请解压后上传"),
        (r"(.*?: )?cannot be unpacked .*", r"\1无法解压；请解压后上传"),
        (r"(.*?: )?does not fit into memory; .*", r"\1内存不足；请缩小后重新上传"),
        (r"(.*?: )?failed with (\w+) .*", r"\1处理失败（\2）；请转换为 PNG 或去掉该图像"),
        (r"(\d+) images: at most (\d+) at once; .*", r"共 \1 张图像：一次最多 \2 张；请分批上传"),
        (r"no images: .*", r"没有图像：请上传图像或图像压缩包"),
        (r"model (.*): must be one of (.*)", r"模型 \1：须为 \2 之一"),
        (r"contract with threshold (\S+): .*", r"阈值 \1：须在 0 与 1 之间；请改正"),
        (r"strokes that cannot be read: .*", r"无法读取笔画：请刷新页面后重新绘制"),
        (r"too many strokes: .*", r"笔画过多：请撤销一些，或使用更细的画笔"),
        (r"a scale of zero length: .*", r"标定长度为零：请点击两个不同的点"),
        (r"the length between the points: .*", r"两点间的长度：须大于 0 且不超过 1000 毫米"),
        (r"corrections cannot be saved .*", r"无法保存修改：请联系本服务器的管理员"),
        (r"the folder of corrections is full: .* (\d+) pairs", r"修改文件夹已满：已有 \1 对图像"),
    )
)


def translate(reason: str) -> str:
    """The Chinese for an error; one that is not listed is quoted."""
    for pattern, chinese in REASONS:
        if found := pattern.fullmatch(reason):
            return found.expand(chinese)
    return f"无法处理：{reason}"
