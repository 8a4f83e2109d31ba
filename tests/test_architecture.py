"""The shape of the house: who may know whom, and how large its pieces are."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from checkout import ROOT

ROOMS = ("engine", "Images_Augmentation", "spm", "mrcnn", "studies", "benchmarks")
SCRIPTS = {path.stem for path in ROOT.glob("*.py")}
LONGEST_FILE = 400
MOST_PARAMETERS = 7
# Matterport's public class and signatures.
LONG_FILES = {"mrcnn/model.py"}
MATTERPORT = {
    "mrcnn/model.py", "mrcnn/visualize.py", "mrcnn/evaluation.py", "mrcnn/loading.py",
    "mrcnn/resizing.py", "mrcnn/batches.py", "mrcnn/samples.py", "mrcnn/paint.py",
    "mrcnn/matterport/generator.py", "mrcnn/matterport/graphs.py",
}  # fmt: skip


def modules() -> list[Path]:
    inside = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return sorted([*inside, *ROOT.glob("*.py")])


def imports(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Yield (module, names) of each import; names are empty for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", [alias.name for alias in node.names]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_arrows_between_rooms():
    """The contracts in pyproject.toml."""
    command = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True,
        encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_library_imports_a_script():
    """The workflow and the window run the scripts, studies and benchmarks whole steps of them."""
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in modules()
        for module, _ in imports(parse(path))
        if module in SCRIPTS
        and path.name not in ("workflow.py", "app.py")
        and path.parent not in (ROOT / "studies", ROOT / "benchmarks")
    ]
    assert not found


def test_private_names_stay_in_their_file():
    found = [
        f"{path.relative_to(ROOT)} imports {module}.{name}"
        for path in modules()
        for module, names in imports(parse(path))
        for name in names
        if name.startswith("_") and not name.startswith("__")
    ]
    assert not found


def test_no_file_is_too_long():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules()
    }
    assert {name for name, length in lengths.items() if length > LONGEST_FILE} == LONG_FILES


def test_no_function_has_too_many_parameters():
    found = set()
    for path in modules():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef) and name not in MATTERPORT:
                arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                if len([a for a in arguments if a.arg not in ("self", "cls")]) > MOST_PARAMETERS:
                    found.add(f"{name}: {node.name}")
    assert not found


def test_tests_share_helpers_and_do_not_import_one_another():
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in (ROOT / "tests").rglob("*.py")
        for module, _ in imports(parse(path))
        if module.split(".")[-1].startswith("test_")
    ]
    assert not found


def test_imported_names_exist():
    """Also those that a function imports when it is called, which no linter looks up."""
    found = []
    for path in modules():
        for module, names in imports(parse(path)):
            source = (ROOT / module.replace(".", "/")).with_suffix(".py")
            if not names or not module or not source.is_file():
                continue
            known = set(dir(importlib.import_module(module)))
            found += [f"{path.relative_to(ROOT)}: {module}.{n}" for n in names if n not in known]
    assert not found
