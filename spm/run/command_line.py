"""The command line of a script, made from the keyword arguments of its `main`.

A script has its constants at the top, `main(*, name=NAME)` with the same names, and
`if __name__ == "__main__": cli.run(main)`: editing, importing and the command line are three doors
to one room.
"""

from __future__ import annotations

import argparse
import errno
import inspect
import os
import re
import sys
import traceback
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spm.errors import InputError

DISK_IS_FULL = "the disk that the results go to is full; free some space and start again."
CARD_IS_FULL = (
    "the memory of the graphics card (without one: of the computer) is full; lower IMAGES_PER_GPU "
    "in train_test.py for training, or --batch-size for prediction, and close other programs that "
    "use the card."
)


def run(
    main: Callable[..., Any], argv: Sequence[str] | None = None, positional: Sequence[str] = ()
) -> None:
    """Parse the command line, call `main` and leave with its exit status.

    Args:
        main: a function of keyword arguments. Its docstring's "Args:" section is the help text.
            An int that it returns is the exit status; anything else means 0.
        argv: arguments without the program's name. Defaults to those of this process.
        positional: names of parameters taken without a flag; a parameter `files` that is annotated
            `list[Path]` is positional anyway.

    Raises:
        SystemExit: always. Status 1 for wrong input, 2 for a wrong flag, 130 for Ctrl-C.
    """
    _print_any_name()
    options = vars(make_parser(main, positional).parse_args(argv))
    debug = options.pop("debug")
    for name, parameter in inspect.signature(main).parameters.items():
        if options.get(name) == [] and parameter.default is None:
            options[name] = None  # argparse turns "no files named" into an empty list
    try:
        result = main(**options)
        sys.stdout.flush()  # a reader that went away shows here, not at exit
    except InputError as error:
        _report(error, str(error), debug)
    except KeyboardInterrupt as interrupt:
        # What was interrupted is let go now, not while Python ends: with it go worker processes.
        traceback.clear_frames(interrupt.__traceback__)
        print("stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`... | head`); Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _report(error, _os_sentence(error), debug)
    except MemoryError as error:
        _report(error, "not enough memory; close other programs or use smaller pictures.", debug)
    except Exception as error:
        if _fills_the_disk(error):
            _report(error, DISK_IS_FULL, debug)
        if not _fills_the_card(error):
            raise
        _report(error, CARD_IS_FULL, debug)
    sys.exit(result if isinstance(result, int) and not isinstance(result, bool) else 0)


def _print_any_name() -> None:
    """Let file names of any script be printed: where the console or a log file cannot hold a
    letter (Windows with Chinese names, names that are not UTF-8) its number is shown instead."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not while a test captures it
            stream.reconfigure(errors="backslashreplace")


def _report(error: BaseException, message: str, debug: bool) -> typing.NoReturn:
    if debug:
        traceback.print_exception(error)
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


def _fills_the_disk(error: Exception) -> bool:
    """Return whether a library met a full disk that it does not tell as an OSError: TensorFlow
    calls it RESOURCE_EXHAUSTED like a full graphics card."""
    return os.strerror(errno.ENOSPC) in str(error)


def _fills_the_card(error: Exception) -> bool:
    """Return whether a backend ran out of memory. They are told by name, since nothing here
    imports them: TensorFlow and PyTorch have a class each, JAX and XLA a word in the text, and
    PyTorch on the processor only the name of its allocator."""
    if type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError"):
        return True
    text = str(error)
    return "RESOURCE_EXHAUSTED" in text or "DefaultCPUAllocator: not enough memory" in text


def _os_sentence(error: OSError) -> str:
    """Return one sentence that names the file of an OSError and the way out."""
    name = error.filename or error.filename2
    what = error.strerror or str(error) or type(error).__name__
    hints = {
        "ENOSPC": "free some space and start again",
        "EDQUOT": "free some space and start again",
        "EROFS": "choose a folder that can be written to",
        "EACCES": "close programs that use it or change its permissions",
        "EPERM": "close programs that use it or change its permissions",
        "ENOENT": "check the name",
        "EMFILE": "close other programs",
    }
    hint = hints.get(errno.errorcode.get(error.errno or 0, ""), "check the disk and the folder")
    return f"{name}: {what}; {hint}." if name else f"{what}; {hint}."


def make_parser(
    main: Callable[..., Any], positional: Sequence[str] = ()
) -> argparse.ArgumentParser:
    """Return the parser for the keyword arguments of `main`.

    The parameter `aug_times` becomes `--aug-times` (and `--aug_times`). Its kind comes from the
    annotation, or else from the default: bool gives `--x` and `--no-x`, a list takes any number of
    values, `Path`, int, float and str convert, None as default means an optional text.
    """
    text = inspect.getdoc(main) or ""
    module = sys.modules.get(main.__module__)
    intro = (getattr(module, "__doc__", None) or text).strip()
    parser = argparse.ArgumentParser(
        description=intro.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    helps = argument_helps(text)
    try:
        hints = typing.get_type_hints(main)
    except (NameError, TypeError):
        hints = {}
    for name, parameter in inspect.signature(main).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = None if parameter.default is parameter.empty else parameter.default
        options = _options(hints.get(name), default)
        # argparse formats help texts with %: a literal one must be doubled.
        options["help"] = helps.get(name, " ").replace("%", "%%")
        if name in positional or (name == "files" and options.get("nargs") == "*"):
            parser.add_argument(name, **{**options, "nargs": options.get("nargs", "?")})
            continue
        if options.get("nargs") == "*" and options["default"] is None:
            options["nargs"] = "+"  # the flag with nothing behind it would mean its absence
        flags = [f"--{name.replace('_', '-')}"]
        if "_" in name and options.get("action") is None:
            flags.append(f"--{name}")
        elif "_" in name:
            # BooleanOptionalAction makes --no-x from each spelling.
            flags.append(f"--{name}")
        parser.add_argument(*flags, dest=name, **options)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _options(hint: Any, default: Any) -> dict[str, Any]:
    """Return the keywords of add_argument for one parameter."""
    options: dict[str, Any] = {"default": default}
    kind, item = _kind(hint, default)
    if kind is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif kind is list:
        options |= {"nargs": "*", "type": item}
    else:
        options["type"] = kind
    return options


def _kind(hint: Any, default: Any) -> tuple[Any, Any]:
    """Return (type, type of the items for a list) of a parameter."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        # `str | Path` and the like: the more special type converts, text is the fallback.
        hint = next((member for member in members if member is not str), members[0])
    origin = typing.get_origin(hint) or hint
    if origin in (list, tuple, set, Sequence) or (
        isinstance(origin, type)
        and issubclass(origin, list | tuple | Sequence)
        and origin is not str
    ):
        items = [arg for arg in typing.get_args(hint) if arg is not Ellipsis]
        return list, _scalar(items[0] if items else None, _first(default))
    if hint is None and isinstance(default, list | tuple | range):
        return list, _scalar(None, _first(default))
    return _scalar(hint, default), None


def _first(values: Any) -> Any:
    return next(iter(values), None) if values is not None else None


def _scalar(hint: Any, default: Any) -> Any:
    """Return the converter of a single value."""
    origin = typing.get_origin(hint) or hint
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        origin = next((member for member in members if member is not str), members[0])
        if set(members) == {int, float}:
            return _number
    if origin in (bool, int, float, Path):
        return origin
    if isinstance(default, bool):
        return bool
    if isinstance(default, int) and origin is None:
        return _number
    if isinstance(default, float | Path) and origin is None:
        return Path if isinstance(default, Path) else float
    return str


def _number(text: str) -> int | float:
    """Convert to int where the text is one, else to float."""
    try:
        return int(text)
    except ValueError:
        return float(text)


_number.__name__ = "number"  # argparse names it in its message about a wrong value


def argument_helps(docstring: str) -> dict[str, str]:
    """Return the description of each argument in a docstring's "Args:" section."""
    lines = inspect.cleandoc(docstring).splitlines()
    try:
        start = next(i for i, line in enumerate(lines) if line.strip() == "Args:") + 1
    except StopIteration:
        return {}
    helps: dict[str, str] = {}
    name, depth = "", None
    for line in lines[start:]:
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent == 0:
            break
        depth = indent if depth is None and line.strip() else depth
        match = re.match(r"\s*\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)", line)
        if match and indent == depth:
            name = match[1]
            helps[name] = match[2].strip()
        elif name and line.strip():
            helps[name] = f"{helps[name]} {line.strip()}".strip()
    return helps
