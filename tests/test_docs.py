"""The documents against the code: settings, commands, links, and the site that is built of them."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from checkout import ROOT

from evaluate import Evaluation
from Images_Augmentation import color_aug_img_json
from Images_Augmentation.techniques import TECHNIQUES
from spm.evaluation.curves import PROTOCOLS
from spm.io.colour_maps import COLOUR_MAPS
from spm.run import setting_kinds
from spm.run.command_line import parse
from spm.run.settings import described, flat, helps
from spm.similarity.outlined_crops import MARGIN
from spm.simulate import SYSTEMS
from spm.simulate import __main__ as simulate_script
from tsne_analysis import Mapping

sys.path.insert(0, str(ROOT / "docs"))
import settings_page

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]


def test_the_settings_page_is_what_the_scripts_say():
    text = settings_page.PAGE.read_text(encoding="utf-8")
    assert settings_page.page(text) == text, "run python docs/settings_page.py"
    assert "explain me" not in text, "write what the new setting of a recipe does"


@pytest.mark.parametrize("script", settings_page.SCRIPTS)
def test_every_setting_is_explained(script):
    kind = settings_page.main_of(script).settings
    for name, hint, default, holder in described(kind):
        text = helps(holder).get(name, "")
        assert text.endswith("."), f"{script}: write a sentence below {name}"
        optional = type(None) in typing.get_args(hint)
        assert (
            not optional
            or default is not None
            or "None" in text
            or "must be given" in text
            or ("this or predicted" in text or name in ("predicted",))
        ), f"{script}: say what None means for {name}"


def test_choices_are_those_of_the_code():
    """They stand in the settings, so that `--help` need not load what it tells of."""
    assert typing.get_args(setting_kinds.ColourMap) == tuple(COLOUR_MAPS)
    assert set(typing.get_args(color_aug_img_json.Technique)) == set(TECHNIQUES)
    hints = typing.get_type_hints(simulate_script.Simulation, include_extras=True)
    assert set(typing.get_args(hints["system"])) == set(SYSTEMS)
    hints = typing.get_type_hints(Evaluation)
    assert typing.get_args(hints["protocol"]) == PROTOCOLS
    assert Mapping.margin == MARGIN


def commands() -> list[tuple[str, str]]:
    """All command lines in the documents that start one of our scripts: (page, line)."""
    found = []
    for page in [*PAGES, *READMES]:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(
            r"^```(?:text|bash|console)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE
        )
        blocks += re.findall(r"(?:^    .+\n)+", text, re.MULTILINE)
        lines = [line.strip() for block in blocks for line in block.splitlines()]
        lines += re.findall(r"`(python [^`]+)`", text)
        found += [(page.name, part) for line in lines for part in re.split(r"&&|\|\|", line)
                  if re.match(r"\s*(\w+=\S+ )*python ", part)]  # fmt: skip
    return sorted(set(found))


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_in_the_documents_have_flags_that_exist(page, line):
    words = shlex.split(line.partition(" # ")[0].partition("   ")[0])
    words = words[words.index("python") + 1 :]
    if words[0] == "-m":
        words = words[1:]
    words[0] = words[0].replace("\\", "/")
    script = words[0]
    if script not in settings_page.SCRIPTS:
        known = ("pip", "venv", "pytest", "sphinx", "dask", "-c", "--version")
        module = ROOT / f"{script.replace('.', '/')}.py"
        assert script in known or (ROOT / script).is_file() or module.is_file()
        return
    main = settings_page.main_of(script)
    if words[-1].startswith("--"):  # a flag that is only mentioned
        flags = {f"--{name.replace('_', '-')}" for name in flat(main.settings)}
        flags |= {flag.replace("--", "--no-") for flag in flags} | {"--help", "--debug"}
        assert words.pop() in flags, f"{page}: {line}"
    parse(main, words[1:])


def links(page: Path) -> list[str]:
    """Targets of the Markdown links and images of a page, code left out."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in links(page):
        target, _, anchor = link.partition("#")
        if target.startswith(("http://", "https://")):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name}: {link} leads nowhere"
        assert not anchor or anchor in anchors(path), f"{page.name}: {link}: no such heading"


def test_every_page_stands_in_the_contents():
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    entries = []
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        entries += [line for line in block.splitlines() if line and not line.startswith(":")]
    gone = [entry for entry in entries if not (DOCS / f"{entry}.md").is_file()]
    assert not gone, f"docs/index.md names pages that are not there: {', '.join(gone)}"
    missing = {page.stem for page in PAGES} - {"index"} - set(entries)
    assert not missing, f"add to a toctree of docs/index.md: {', '.join(sorted(missing))}"


@pytest.mark.skipif(
    importlib.util.find_spec("myst_parser") is None or importlib.util.find_spec("furo") is None,
    reason="the site's generator is not installed (requirements-docs.txt)",
)
def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-d",
               str(tmp_path / "trees"), str(DOCS), str(tmp_path / "site")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "guide.html").is_file()


def said_in_code(text: str) -> list[str]:
    """Every piece of code in a page's sentences: commands, files, settings."""
    text = re.sub(r"(?:^    .+\n)+", "", text, flags=re.MULTILINE)
    return sorted(" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text))


def code_lines(text: str) -> list[str]:
    """The lines of all blocks of code, without what is said of them behind some spaces."""
    return [re.split(" {3,}", line)[0] for line in re.findall(r"^    (.+)$", text, re.MULTILINE)]


def table_keys(text: str) -> list[str]:
    """The first cells of all tables that are code: files and scripts."""
    return [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| `")]


def test_the_chinese_readme_says_the_same():
    """The same headings, commands, files and links; what is new must be written in both."""
    english = (ROOT / "README.md").read_text(encoding="utf-8")
    chinese = (ROOT / "README.zh.md").read_text(encoding="utf-8")
    for what in (
        lambda text: re.findall(r"^(#+) ", text, flags=re.MULTILINE),
        code_lines,
        said_in_code,
        table_keys,
        lambda text: sorted(re.findall(r"\]\(((?!README)[^)]+)\)", text)),
        lambda text: sorted(re.findall(r"\d+(?:\.\d+)*", text)),
    ):
        assert what(english) == what(chinese)
    assert "(README.zh.md)" in english.split("##")[0] and "(README.md)" in chinese.split("##")[0]
