"""A command group that imports a command when it is called, so that `snapfind --help` loads none of them."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

__all__ = ["Entry", "LazyGroup", "lazy_group"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Location of a command.

    Attributes:
        module: Module to import.
        attribute: Name of a function or a `typer.Typer` in the module.
        help: Line in the list of commands.
        section: Title of its section in the list.
    """

    module: str
    attribute: str
    help: str
    section: str = "Commands"

    def load(self, name: str) -> Any:
        """Import the command and build it under that name."""
        target = getattr(import_module(self.module), self.attribute)
        if not isinstance(target, typer.Typer):
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
            single.command(name)(target)
            target = single
        command = get_command(target)
        command.name = name
        return command


class LazyGroup(TyperGroup):
    """A group over a table of entries, in the order of the table."""

    entries: Mapping[str, Entry] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands, without importing them."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; None for a name that is not in the table."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = entry.load(cmd_name)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command of the arguments; a misspelled name is answered with the nearest names."""
        if args and args[0] not in self.entries and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.entries)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(self.entries)}."
            ctx.fail(f"No such command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from the table, section by section."""
        width = max(map(len, self.entries))
        for section in dict.fromkeys(entry.section for entry in self.entries.values()):
            with formatter.section(section):
                rows = [(name, entry.help) for name, entry in self.entries.items() if entry.section == section]
                formatter.write_dl([(name.ljust(width), line) for name, line in rows])


def lazy_group(table: Mapping[str, Entry]) -> type[LazyGroup]:
    """A group class over that table, for `typer.Typer(cls=…)`."""
    return type("Group", (LazyGroup,), {"entries": table})
