"""The settings of a script: each one said once, with its kind, range, default and meaning.

    class Training(Settings):
        epochs: Count | None = None
        \"""Epochs in all; None takes the recipe's.\"""

The class is a dataclass. Of it are made the command line (`spm.run.command_line`), the page
`docs/settings.md`, the keyword arguments of the script's `main` (`takes`), and the check of all
values before any work is done. Settings may hold those of another script (`training: Training`);
to flags and keyword arguments they are one flat list.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar, get_type_hints

from spm.errors import InputError, raise_problems
from spm.run.setting_kinds import conform

T = TypeVar("T")


class Settings:
    """Base of all settings. A subclass is made a dataclass of keyword arguments; a list may be
    written as a default, and each instance gets its own.

    Attributes:
        renamed: old name -> today's, of settings that older scripts and command lines call by
            another name.
    """

    renamed = {}  # without an annotation: not a setting

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("__annotations__", {})
        lists = {name: d for name in own if isinstance(d := getattr(cls, name, None), list)}
        for name, default in lists.items():
            setattr(cls, name, field(default_factory=functools.partial(list, default)))
        dataclass(kw_only=True)(cls)
        for name, default in lists.items():
            setattr(cls, name, default)  # dataclass takes it away; it can be looked up all the same

    @classmethod
    def of(cls, settings: Self | None = None, /, **changes: Any) -> Self:
        """Return checked settings: the given ones or the defaults, with changes by name.

        Raises:
            InputError: with every value that cannot be.
            TypeError: for a name that no setting has.
        """
        settings = cls() if settings is None else settings
        return settings.replace(**changes).checked()

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values; those of nested settings are given by their own name.

        Raises:
            TypeError: for a name that no setting has.
        """
        own, nested, todays = {}, {}, renamed(type(self))
        for name, value in changes.items():
            name = todays.get(name, name)
            holder = _holder(self, name)
            if holder is None:
                raise TypeError(f"there is no setting {name!r}{_suggestion(name, flat(self))}")
            if holder:
                nested.setdefault(holder, {})[name] = value
            else:
                own[name] = value
        for holder, values in nested.items():
            own[holder] = getattr(self, holder).replace(**values)
        return dataclasses.replace(self, **own)

    def checked(self) -> Self:
        """Return the settings with each value in its kind (a text as a Path, say).

        Raises:
            InputError: with every value that cannot be, alone or beside the others.
        """
        settings = self.conformed()
        raise_problems(settings.all_problems())
        return settings

    def all_problems(self) -> list[str]:
        """Return what is wrong with these settings and with those that they hold."""
        held = [
            v for f in dataclasses.fields(self) if isinstance(v := getattr(self, f.name), Settings)
        ]
        return [p for settings in (self, *held) for p in settings.problems()]

    def conformed(self) -> Self:
        """Return the settings with each value in its kind.

        Raises:
            InputError: with every value that is of another kind or out of range.
        """
        values, problems = {}, []
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            value = getattr(self, name)
            try:
                values[name] = (
                    value.conformed() if isinstance(value, Settings) else conform(hint, value)
                )
            except InputError as error:
                problems.append(str(error))
            except ValueError as error:
                problems.append(f"{name} must be {error}. Received: {value!r}.")
        raise_problems(problems)
        return dataclasses.replace(self, **values)

    def problems(self) -> Iterable[str]:
        """Yield what is wrong with settings of which each alone is possible."""
        return ()

    @classmethod
    def defaults_in_words(cls) -> dict[str, str]:
        """Return what is taken for settings whose default does not say it, for `--help`."""
        return {}

    def values(self, **changes: Any) -> dict[str, Any]:
        """Return all settings by name, some of them changed, as keyword arguments of `main`."""
        found = {}
        for item in dataclasses.fields(settings := self.replace(**changes)):
            value = getattr(settings, item.name)
            found |= value.values() if isinstance(value, Settings) else {item.name: value}
        return found


def takes(kind: type[Settings]) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Let a function of settings be called with them, with keyword arguments, or with both.

    All values are checked before the function is entered. `main.settings` is the class.
    """

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(function)
        def main(settings: Settings | None = None, /, **changes: Any) -> T:
            return function(kind.of(settings, **changes))

        main.settings = kind
        return main

    return decorate


def helps(kind: type[Settings]) -> dict[str, str]:
    """Return what is written below each setting of a class, without nested ones."""
    import docstring_parser

    found = {}
    for base in reversed(kind.__mro__[:-1]):
        for item in docstring_parser.parse_from_object(base).params:
            found[item.arg_name] = " ".join((item.description or "").split())
    return found


def flat(settings: Settings | type[Settings]) -> list[str]:
    """Return the names of all settings, those of nested ones among them."""
    kind = settings if isinstance(settings, type) else type(settings)
    return [name for name, *_ in described(kind)]


def described(kind: type[Settings]) -> Iterator[tuple[str, Any, Any, type[Settings]]]:
    """Yield (name, annotation, default, the class that says it) of each setting."""
    hints = get_type_hints(kind, include_extras=True)
    for item in dataclasses.fields(kind):
        hint = hints[item.name]
        if isinstance(hint, type) and issubclass(hint, Settings):
            nested = item.default_factory()
            for name, annotation, _, holder in described(hint):
                yield name, annotation, getattr(nested, name), holder
        else:
            default = item.default
            if default is dataclasses.MISSING:
                default = item.default_factory()
            yield item.name, hint, default, kind


def renamed(kind: type[Settings]) -> dict[str, str]:
    """Return old name -> today's of all settings, those of nested ones among them."""
    holders = {holder for *_, holder in described(kind)} | {kind}
    return {old: new for holder in holders for old, new in holder.renamed.items()}


def _holder(settings: Settings, name: str) -> str | None:
    """Return the nested settings that have this name; "" for the settings' own, None for none."""
    own = [item.name for item in dataclasses.fields(settings)]
    if name in own:
        return ""
    for holder in own:
        nested = getattr(settings, holder)
        if isinstance(nested, Settings) and name in flat(nested):
            return holder
    return None


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def old_names(kind: type[Settings], **moved: str) -> Callable[[str], Any]:
    """Return a module's `__getattr__` for the names that scripts of before know.

    Args:
        kind: the module's settings: CLASS_NAMES is the default of `class_names`.
        moved: name = the module that has it now; it is imported when somebody asks.
    """

    def look_up(name: str) -> Any:
        if name in moved:
            return getattr(importlib.import_module(moved[name]), name)
        known = {n: d for n, _, d, _ in described(kind)}
        setting = renamed(kind).get(name.lower(), name.lower())
        if name.isupper() and setting in known:
            return known[setting]
        raise AttributeError(f"module {kind.__module__!r} has no attribute {name!r}")

    return look_up
