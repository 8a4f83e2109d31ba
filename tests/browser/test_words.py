"""All that the page says is there in both languages."""

from __future__ import annotations

import re

from app_page import Page, new_project
from checkout import ROOT

FOLDER = ROOT / "engine/app/page"
KEY = re.compile(r"""(?:\bsay|\bbutton|\btoggled)\(\s*(?:"\w+", )??["'](\w+)["']""")


def words() -> dict[str, dict[str, str]]:
    found = {}
    for language, name in (("en", "words_en.js"), ("zh", "words_zh.js")):
        text = (FOLDER / name).read_text(encoding="utf-8")
        pairs = re.findall(r'^  (\w+):\s*"((?:[^"\\]|\\.)*)",$', text, re.MULTILINE)
        lines = [line for line in text.splitlines() if re.match(r"  \w", line)]
        assert len(lines) == len(pairs) == len(dict(pairs)), f"{name}: a line that is no word"
        found[language] = dict(pairs)
    return found


def test_both_languages_have_the_same_words_with_the_same_values():
    en, zh = words().values()
    assert set(en) == set(zh)
    for key in en:
        values = [sorted(re.findall(r"\{(\w+)\}", one[key])) for one in (en, zh)]
        assert values[0] == values[1], key
        assert bool(en[key]) == bool(zh[key]), key


def test_every_word_that_is_asked_for_is_there():
    en = words()["en"]
    asked = set()
    for path in [*FOLDER.glob("*.js"), FOLDER / "index.html"]:
        text = path.read_text(encoding="utf-8")
        asked |= set(KEY.findall(text)) | set(re.findall(r'data-label="(\w+)"', text))
        asked |= set(re.findall(r'"((?:key|hint)_?[A-Z_]\w*)"', text))
    assert len(asked) > 100
    assert not asked - set(en)


def test_a_page_in_chinese_and_back(window, tmp_path):
    page: Page = window(new_project(tmp_path / "project"), "--language", "zh")
    en, zh = words().values()
    assert zh["images"] in page.text() and zh["noImages"] in page.text()
    page.click("#language")
    for step in ("outline", "train", "look", "results"):
        page.step(step)
    page.until("return document.getElementById('panel').innerText.includes(arguments[0])",
               en["noResults"])  # fmt: skip
    assert not re.search(
        "[\u4e00-\u9fff]", page.text().replace(zh["title"][-2:], "").replace("中文", "")
    )


ASK = """
const [what, values, done] = arguments;
import("/page/api.js").then((api) => api[what](...values)).then(
  () => done("it was not refused"), (error) => done(error.message));
"""
PLACE = {"folder": "aug_test_in", "name": "00-cut.png"}
SMALL = {"left": 0, "top": 0, "width": 5, "height": 5}


def test_what_the_server_refuses_is_said_in_chinese(window, tmp_path):
    project = new_project(tmp_path / "project", ROOT / "aug_test_in/00-cut.png")
    page: Page = window(project, "--language", "zh")
    for what, values in (
        ("getInfo", [{"folder": "images", "name": "none.png"}]),
        ("crop", [PLACE, SMALL]),
        ("crop", [PLACE, SMALL | {"left": 300, "width": 90, "height": 90}]),
        ("propose", [PLACE, [-50, 4]]),
        ("alike", [PLACE, []]),
        ("exportAll", ["coco"]),
        ("startJob", ["add", {"add": ["00-cut.png"]}]),
    ):
        said = page.driver.execute_async_script(ASK, what, values)
        assert re.search("[\u4e00-\u9fff]", said), said
