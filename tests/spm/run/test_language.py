"""Chinese figures and reports: every phrase has its Chinese, and nothing English is left."""

import ast
import re
import string

import pytest
from annotated import textured
from checkout import ROOT
from detectors import detections
from instrument_kinds import KINDS, write

import spm.io.figure_style as figure_style
from engine.predict_image import Plan
from predict_big_pic import Prediction
from spm.errors import InputError
from spm.inference.detector import Detector
from spm.inference.predict import Settings
from spm.instruments.inputs import open_image
from spm.io.images import write_image
from spm.pooled.folder import Asked, pool_folder
from spm.report.page import PLACES, TEMPLATE
from spm.report.remarks import remark
from spm.run.chinese import NAMES, PHRASES, WORDS
from spm.run.language import (
    chosen_language,
    counted_phrase,
    phrase,
    phrase_or_name,
    written_in,
)

THEMSELVES = {"report/page.py": "phrase(match[2])", "report/tables.py": "phrase(NOT_KNOWN)"}


def phrases_in_code() -> dict[str, str]:
    """Every text that the code asks for -> the file."""
    found = {match[2]: TEMPLATE.name for match in PLACES.finditer(TEMPLATE.read_text("utf-8"))}
    found.pop(None, None)
    for path in [*(ROOT / "spm").rglob("*.py"), *(ROOT / "engine").rglob("*.py")]:
        if path.name == "language.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "")
            if called not in ("phrase", "counted_phrase"):
                continue
            for text in node.args[:1] if called == "phrase" else node.args[1:]:
                place = "/".join(path.parts[-2:])
                if THEMSELVES.get(place) != ast.unparse(node):
                    assert isinstance(text, ast.Constant), f"{place}: {ast.unparse(node)}"
                    found[text.value] = place
    return found


def fields(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


def test_both_languages_have_the_same_phrases():
    used = phrases_in_code()
    missing = {text: place for text, place in used.items() if text not in PHRASES}
    assert not missing, "write their Chinese into spm/run/chinese.py"
    assert not set(PHRASES) - set(used), "nothing says these any more"
    assert not set(PHRASES) & set(NAMES)
    for english, chinese in WORDS.items():
        assert fields(english) == fields(chinese), english
        assert not re.search("[\u4e00-\u9fff]", english) and chinese.strip() == chinese


def test_the_language_of_a_run():
    assert counted_phrase(1, "{count} image", "{count} images") == "1 image"
    with written_in("zh"):
        assert counted_phrase(1, "{count} image", "{count} images") == "1 幅图像"
        assert phrase("class {name}") == "类别 {name}", "braces wait for their values"
        assert phrase("class {name}", name="{a}") == "类别 {a}"
        assert phrase_or_name("edge") == "边缘" and phrase_or_name("dose") == "dose"
        with pytest.raises(KeyError):
            phrase("no such text")
    assert phrase("class {name}", name="A") == "class A"


def test_flag_environment_or_english(monkeypatch):
    monkeypatch.delenv("SPM_LANGUAGE", raising=False)
    assert chosen_language() == "en" and chosen_language("zh") == "zh"
    monkeypatch.setenv("SPM_LANGUAGE", "ZH")
    assert chosen_language() == "zh" and chosen_language("en") == "en"
    monkeypatch.setenv("SPM_LANGUAGE", "fr")
    with pytest.raises(InputError, match="SPM_LANGUAGE: must be one of en, zh. Received: 'fr'"):
        Prediction.of()


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_instrument_tells_has_chinese_names(tmp_path, kind):
    settings = open_image(write(kind, tmp_path)).settings
    names = {*settings, *settings["scan"], *settings["shown"]}
    assert not names - set(WORDS), "write their Chinese into NAMES of spm/run/chinese.py"


def test_remarks():
    with written_in("zh"):
        assert "没有识别出任何分子" in remark([], 40.0, False)
        said = remark([], 40.0, False, (200, 120, 40), (90, 90, 90))
    assert "灰度图" in said and "--colour-map" in said and "{" not in said


CLASSES = ["003a", "020a"]
# Left as they are: names, units, numbers, file names, flags, and words of other programs.
KEPT = {
    "a", "b", "n", "nm", "px", "x", "y", "iou", "nms", "sx", "h", "sy", "ctrl", "pytest",
    "scan", "predicted", "python", "numpy", "scipy", "opencv", "headless", "scikit", "image",
    "images", "matplotlib", "openvino", "tensorflow", "cpu", "keras", "torch", "jax", "png", "csv",
    "all", "molecules", "classes", "domains", "none", "linux", "x86", "dose", "main", "py",
}  # fmt: skip


def lattice_of_two(images):
    """Two classes on a lattice, so that every section has something to say."""
    boxes = [(8 + 24 * j, 8 + 24 * i, 24 + 24 * j, 24 + 24 * i) for j in range(6) for i in range(6)]
    classes = [(i + j) % 2 for j in range(6) for i in range(6)]
    return [detections(boxes, classes, [0.9] * len(boxes)) for _ in images]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two images with results in Chinese, and their pages."""
    folder = tmp_path_factory.mktemp("results")
    detector = Detector(CLASSES, 1.0, 160, 0.5, lattice_of_two)
    plan = Plan(Settings(), folder, tile_images=False, report=True, language="zh")
    for name in ("scan1", "scan2"):
        write_image(folder / f"{name}.png", textured(160, 160, 3))
        plan.predict(folder / f"{name}.png", name, detector)
        (folder / f"{name}.png").unlink()
    (folder / "conditions.csv").write_text("image,dose\nscan1,1\nscan2,2\n", encoding="utf-8")
    pool_folder(folder, Asked(mirror_classes=CLASSES, language="zh"))
    return folder


def visible_words(page: str) -> set[str]:
    """The Latin words that a reader of a page sees, in lower case, numbers and classes left out."""
    page = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.S)
    told = re.findall(r'(?:title|aria-label|alt)="([^"]*)"', page)
    text = " ".join([re.sub(r"<[^>]*>", " ", page), *told])
    return {word.lower() for word in re.findall(r"[A-Za-z]{1,}", text)}


@pytest.mark.parametrize("page", ["scan1_report.html", "index.html"])
def test_no_english_is_left_on_a_chinese_page(results, page):
    text = (results / page).read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in text
    shown = re.sub(r"<dt>(计算机|命令|代码版本|日期)</dt><dd>.*?</dd>", "", text)
    assert visible_words(shown) - KEPT == set()
    assert not re.search(r"\{\w+\}", re.sub(r"<(style|script)\b.*?</\1>", " ", text, flags=re.S))


def test_files_for_programs_stay_english(results):
    for path in [*results.glob("*.csv"), *results.glob("*.json")]:
        assert not re.search("[\u4e00-\u9fff]", path.read_text(encoding="utf-8")), path.name


def texts_of(monkeypatch, results):
    """The words of all figures of two images together."""
    from matplotlib.text import Text

    seen: list[str] = []
    draw = Text.draw
    monkeypatch.setattr(Text, "draw", lambda t, *a, **k: (seen.append(t.get_text()), draw(t, *a, **k))[1])  # fmt: skip  # noqa: E501
    pool_folder(results, Asked(mirror_classes=CLASSES, language="zh"))
    return " ".join(seen)


def test_figures_are_chinese_where_a_font_has_the_letters(monkeypatch, results):
    monkeypatch.setattr(figure_style, "chinese_fonts", lambda: ["DejaVu Sans"])
    words = texts_of(monkeypatch, results)
    assert "各类别的密度" in words and "Density" not in words
    assert set(re.findall(r"[A-Za-z]+", words.lower())) <= KEPT


def test_figures_are_english_where_no_font_has_them(monkeypatch, results, capsys):
    monkeypatch.setattr(figure_style, "chinese_fonts", list)
    monkeypatch.setattr(figure_style, "look_for_new_fonts", lambda: None)
    figure_style.tell_once.cache_clear()
    words = texts_of(monkeypatch, results)
    assert "Density by class" in words and not re.search("[\u4e00-\u9fff]", words)
    assert "各类别的密度" in (results / "index.html").read_text(encoding="utf-8")
    said = capsys.readouterr().err.splitlines()
    assert said == [f"note: {figure_style.NO_FONT}"]
