"""The documents against the code: settings, commands, links, and the site that is built of them."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import settings_of_scripts as code

from spm.run.command_line import make_parser

DOCS = code.ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
POSITIONAL = {"folders": "tsne_analysis.py", "picture": "spm.crop"}


def sections() -> dict[str, str]:
    """The parts of settings.md by their headings."""
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    parts = re.split(r"^#{2,3} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(section: str) -> dict[str, list[str]]:
    """The rows of a section's table: setting -> its other cells."""
    found = {}
    for line in section.splitlines():
        if match := re.match(r"\| `([\w-]+)` \|(.*)\|$", line):
            assert match[1] not in found, f"{match[1]} stands there twice"
            found[match[1]] = [cell.strip() for cell in match[2].split(" | ")]
    return found


@pytest.mark.parametrize("script", code.SCRIPTS)
def test_every_setting_of_a_script_is_explained_with_its_default(script):
    table = rows(sections()[script])
    constants = code.block_constants(script)
    wanted = {}
    for name, default in code.parameters(script).items():
        if name.upper() in constants:
            key = name.upper()
        elif name == "files" or POSITIONAL.get(name) == script:
            key = name
        else:
            key = f"--{name.replace('_', '-')}"
        wanted[key] = code.value_text(default)
    module = sys.modules[code.SCRIPTS[script][0]]
    for name in constants:
        wanted.setdefault(name, code.value_text(getattr(module, name)))
    assert {key: cells[0] for key, cells in table.items()} == wanted
    assert all(cells[-1] for cells in table.values()), "each setting needs a word"


def test_every_config_attribute_is_explained_with_its_values():
    import train_test

    classes = code.config_settings()
    table = rows(sections()[", ".join(classes)])
    names = {name for settings in classes.values() for name in settings}
    values = {
        name: [code.value_text(getattr(getattr(train_test, item), name)) for item in classes]
        for name in names
    }
    assert {name: cells[:-1] for name, cells in table.items()} == values


def commands() -> list[tuple[str, str]]:
    """All command lines in the documents that start one of our scripts: (page, line)."""
    found = []
    for page in [*PAGES, code.ROOT / "README.md"]:
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
    if script not in code.SCRIPTS:
        known = ("pip", "venv", "pytest", "sphinx", "dask", "-c", "--version")
        module = code.ROOT / f"{script.replace('.', '/')}.py"
        assert script in known or (code.ROOT / script).is_file() or module.is_file()
        return
    main = code.main_of(script)
    positional = [name for name, where in POSITIONAL.items() if where == script]
    parser = make_parser(main, positional)
    if words[-1].startswith("--"):  # a flag that is only mentioned
        assert words.pop() in parser.format_help(), f"{page}: {line}"
    assert parser.parse_args(words[1:]), f"{page}: {line}"


def links(page: Path) -> list[str]:
    """Targets of the Markdown links and pictures of a page, code left out."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", [*PAGES, code.ROOT / "README.md"], ids=lambda page: page.name)
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
