"""Annotation files of other programs: which one it is, and the way from it to labelme's."""

from __future__ import annotations

from typing import Any

IMPORT = "python -m spm.import_coco"
_AS_COCO = f"export the annotations as COCO there and turn them into labelme's with: {IMPORT} FILE"


def other_program(data: Any, name: str) -> str:
    """Return a clause about the program that JSON data come from and the way out.

    It reads after the file's name; empty when the program is not known.
    """
    if isinstance(data, dict):
        if isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list):
            return f"is a COCO file; turn it into labelme's with: {IMPORT} {name}"
        return _of_dict(data)
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return _of_list(data[0])
    return ""


def _of_dict(data: dict[str, Any]) -> str:
    if "_via_img_metadata" in data or any(
        isinstance(value, dict) and {"filename", "regions"} <= set(value) for value in data.values()
    ):
        return f"is a file of the VGG Image Annotator (VIA); {_AS_COCO}"
    if data.get("type") in ("FeatureCollection", "Feature"):
        return _QUPATH
    if {"project", "file", "metadata", "view"} <= data.keys():
        return f"is a file of the VGG Image Annotator (VIA) 3; {_AS_COCO}"
    if "item" in data and isinstance(data.get("annotations"), list):
        return f"is a file of V7 Darwin; {_AS_COCO}"
    if isinstance(data.get("predictions"), list) and "image" in data:
        return (
            "is an answer of a model at Roboflow; upload it there as annotations, export them as "
            f"COCO and turn them into labelme's with: {IMPORT} FILE"
        )
    if isinstance(data.get("items"), list) and "categories" in data:
        return f"is a Datumaro file, as CVAT exports them; {_AS_COCO}"
    if isinstance(data.get("objects"), list) and "size" in data:
        return f"is a file of Supervisely; {_AS_COCO}"
    return ""


def _of_list(first: dict[str, Any]) -> str:
    if "data" in first and ("annotations" in first or "completions" in first):
        return f"is a file of Label Studio; {_AS_COCO}"
    if "image" in first and isinstance(first.get("label"), list):
        return f"is a short file of Label Studio (JSON_MIN); {_AS_COCO}"
    if "data_row" in first and "projects" in first:
        return f"is a file of Labelbox; {_AS_COCO}"
    if {"image_id", "category_id"} <= first.keys():
        return (
            "holds results in COCO's form, without the names of classes and images; export a "
            f"whole COCO file (images, annotations, categories) and use: {IMPORT} FILE"
        )
    if first.get("type") == "Feature" and "geometry" in first:
        return _QUPATH
    if "image" in first and isinstance(first.get("annotations"), list):
        return f"is a CreateML file, as Roboflow exports them; {_AS_COCO}"
    return ""


_QUPATH = (
    "is GeoJSON, as QuPath exports it; a converter to COCO (such as QuGeoCOCO) and "
    f"{IMPORT} FILE make labelme's of it"
)
