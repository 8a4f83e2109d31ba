"""The command line of a script, made of its settings by tyro.

A script has its settings at the top, a `main` that takes them (`spm.run.settings.takes`), and
`if __name__ == "__main__": command_line.run(main)`: editing, importing and the command line are
three doors to one room.
"""

from __future__ import annotations

import dataclasses
import errno
import inspect
import os
import sys
import traceback
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spm.errors import InputError, os_sentence
from spm.run.garbage import leave_alone_what_lives
from spm.run.help_words import bare, help_words, metavar
from spm.run.quiet_libraries import keep_libraries_quiet
from spm.run.setting_kinds import POSITIONAL
from spm.run.settings import Settings, described, helps, renamed

DISK_IS_FULL = "the disk that the results go to is full; free some space and start again."
CARD_IS_FULL = (
    "the memory of the graphics card (without one: of the computer) is full; lower IMAGES_PER_GPU "
    "in train_test.py for training, or --batch-size for prediction, and close other programs that "
    "use the card."
)


class NoSettings(Settings):
    """Of a script that has nothing to set."""


def run(main: Callable[..., Any], argv: Sequence[str] | None = None) -> None:
    """Parse the command line, call `main` and leave with its exit status.

    Args:
        main: a function that takes settings, see `spm.run.settings.takes`. An int that it returns
            is the exit status; anything else means 0.
        argv: arguments without the program's name. Defaults to those of this process.

    Raises:
        SystemExit: always. Status 1 for wrong input, 2 for a wrong flag, 130 for Ctrl-C.
    """
    _print_any_name()
    debug = False
    try:
        settings, debug = parse(main, argv)
        if not debug:
            keep_libraries_quiet()
        result = main() if settings is None else main(settings)
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
        _report(error, os_sentence(error), debug)
    except MemoryError as error:
        _report(error, "not enough memory; close other programs or use smaller images.", debug)
    except Exception as error:
        if _fills_the_disk(error):
            _report(error, DISK_IS_FULL, debug)
        if not _fills_the_card(error):
            raise
        _report(error, CARD_IS_FULL, debug)
    leave_alone_what_lives()
    sys.exit(result if isinstance(result, int) and not isinstance(result, bool) else 0)


def _print_any_name() -> None:
    """Let file names of any script be printed: where the console or a log file cannot hold a
    letter (Windows with Chinese names, names that are not UTF-8) its number is shown instead. A
    program without a console prints into nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None or getattr(sys, name).closed:  # pythonw, or `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
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


# --- parsing -----------------------------------------------------------------------------------


def parse(
    main: Callable[..., Any], argv: Sequence[str] | None = None
) -> tuple[Settings | None, bool]:
    """Return the settings of a command line (None for a main without any), and whether `--debug`
    was given.

    Raises:
        SystemExit: with status 0 for `--help`, 2 for a wrong flag or a value of the wrong kind.
    """
    import tyro

    kind = getattr(main, "settings", NoSettings)
    kind().conformed()  # what was edited wrongly in the file is told in our words
    given = [_todays_flag(kind, text) for text in (sys.argv[1:] if argv is None else argv)]
    arguments = tyro.cli(
        # Of a switch and its opposite --help shows the one that changes something.
        _with_debug(kind, pairs=not {"-h", "--help"} & set(given)),
        args=given,
        prog=_program(main),
        description=_introduction(main),
        config=(tyro.conf.OmitArgPrefixes,),
    )
    values = arguments.values()
    for name, _, default, _ in described(kind):
        if default is None and values[name] == []:
            flag = f"--{name.replace('_', '-')}"
            print(f"error: {flag} needs a value behind it; see --help.", file=sys.stderr)
            sys.exit(2)
    if kind is NoSettings:
        return None, arguments.debug
    own = {item.name: getattr(arguments, item.name) for item in dataclasses.fields(kind)}
    return kind(**own), arguments.debug


def _todays_flag(kind: type[Settings], text: str) -> str:
    """Return an argument with the flag's name of today, where it is an old one (`renamed`)."""
    for old, new in renamed(kind).items():
        for no in ("--", "--no-"):
            flag, value = no + old.replace("_", "-"), text.partition("=")[1:]
            if text.partition("=")[0].replace("_", "-") == flag:
                return no + new.replace("_", "-") + "".join(value)
    return text


def _for_tyro(kind: type[Settings], pairs: bool) -> type[Settings]:
    """Return settings with tyro's own marks: what is given without a flag, and the help texts.

    Scripts say neither with tyro's words, so that a data step does not load it.

    Args:
        pairs: whether each switch has its opposite, `--force` and `--no-force`.
    """
    annotations, defaults = {}, {}
    hints, texts = typing.get_type_hints(kind, include_extras=True), helps(kind)
    words = kind.defaults_in_words()
    for item in dataclasses.fields(kind):
        hint = hints[item.name]
        if isinstance(hint, type) and issubclass(hint, Settings):
            hint = _for_tyro(hint, pairs)
            given = item.default_factory()
            values = {x.name: getattr(given, x.name) for x in dataclasses.fields(given)}
            defaults[item.name] = dataclasses.field(default_factory=lambda h=hint, v=values: h(**v))
        else:
            default = item.default
            if default is dataclasses.MISSING:
                default = item.default_factory()
            told = help_words(texts.get(item.name, ""), hint, default, words.get(item.name))
            hint = _marked(hint, told, pairs)
        annotations[item.name] = hint
    body = {"__annotations__": annotations, "__module__": kind.__module__, **defaults}
    return type(kind.__name__, (kind,), body)


def _marked(hint: Any, told: tuple[str, str], pairs: bool) -> Any:
    """Return an annotation with tyro's marks; `told` is what `help_words` says of it."""
    import tyro

    positional = POSITIONAL in getattr(hint, "__metadata__", ())
    shown = f"[{metavar(hint)}]" if positional and told[1] != "(required)" else metavar(hint)
    marks = [tyro.conf.arg(help=told[0], help_behavior_hint=told[1], metavar=shown)]
    if positional:
        marks.append(tyro.conf.Positional)
    if bare(hint) is bool and not pairs:
        marks.append(tyro.conf.FlagCreatePairsOff)
    for mark in marks:
        hint = typing.Annotated[hint, mark]
    return hint


def _with_debug(kind: type[Settings], pairs: bool) -> type[Settings]:
    import tyro

    text = tyro.conf.arg(help="Show the traceback of an error.", help_behavior_hint="")
    debug = typing.Annotated[bool, tyro.conf.FlagCreatePairsOff, text]
    body = {"__annotations__": {"debug": debug}, "__module__": kind.__module__, "debug": False}
    return type(kind.__name__, (_for_tyro(kind, pairs),), body)


def _introduction(main: Callable[..., Any]) -> str:
    """Return what `--help` says first: the module's first paragraph and its examples."""
    module = sys.modules.get(main.__module__)
    text = inspect.cleandoc(getattr(module, "__doc__", None) or main.__doc__ or "")
    first, *more = text.split("\n\n")
    examples = [part for part in more if part.startswith("    python ")]
    return "\n\n".join([first, *examples])


def _program(main: Callable[..., Any]) -> str:
    """Return how the script is started."""
    command = Path(sys.argv[0]).stem
    if command.startswith("spm-"):  # of the installed package (engine.commands)
        return command
    module = sys.modules.get(main.__module__)
    name = getattr(getattr(module, "__spec__", None), "name", None)
    if name and name.startswith(("spm.", "engine.")):
        return f"python -m {name.removesuffix('.__main__')}"
    return f"python {sys.argv[0]}"
