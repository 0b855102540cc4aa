"""The endpoints as tools of the Model Context Protocol: gradio's, with lists of images that work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio.mcp
from gradio.mcp import GradioMCPServer

IMAGE = "an image or zip as data:image/jpeg;base64,..."


class Tools(GradioMCPServer):
    """Gradio's server, whose schema of a list of files points to nowhere."""

    def simplify_filedata_schema(
        self, schema: dict[str, Any]
    ) -> tuple[dict[str, Any], list[list[str | int]]]:
        """Each file is a string, also in lists."""
        simple, positions = super().simplify_filedata_schema(schema)
        for name, given in simple["properties"].items():
            if [name] in positions:
                given["format"] = IMAGE
            elif given.get("title") == "ListFiles":
                told = given.get("description", "")
                items = {"type": "string", "format": IMAGE}
                simple["properties"][name] = {"type": "array", "items": items, "description": told}
                positions.append([name, "items"])
        return simple, positions

    def convert_strings_to_filedata(
        self, value: Any, filedata_positions: list[list[str | int]]
    ) -> Any:
        """Each such string is a file, also in lists."""
        places = list(filedata_positions)
        for name, given in value.items():
            if [name, "items"] in places and isinstance(given, list):
                places += [[name, number] for number in range(len(given))]
        return super().convert_strings_to_filedata(value, places)

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """What an endpoint returns, without gradio's wrapping of JSON."""
        return super().postprocess_output_data([getattr(it, "root", it) for it in data], root_url)


def offer_tools(received: Path) -> None:
    """Makes gradio use these, and write the images that come inline into a folder of ours."""
    gradio.mcp.GradioMCPServer = Tools  # type: ignore[misc]  # launch() has no option for it
    gradio.mcp.DEFAULT_TEMP_DIR = str(received)
