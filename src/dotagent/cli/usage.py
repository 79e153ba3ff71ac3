"""What is wrong with a command line, said like every other error: what, and what to do.

Groups of commands name the command that was probably meant; what click finds wrong is put into our
words. Invariant: no error is printed in click's own form.
"""

from __future__ import annotations

import click

from dotagent.core.errors import DotagentError, UsageError
from dotagent.core.problems import nearest, one_of, quoted


class Group(click.Group):
    """A group that knows what a mistyped command was meant to be."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        is_asked = not ctx.resilient_parsing  # else a shell completes a line that is half there
        if is_asked and not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            near = nearest(name, known)
            hint = f"See all of them: {ctx.command_path} --help"
            if near is not None:
                hint = f"Did you mean: {ctx.command_path} {near}"
            elif len(known) < SOME:
                hint = f"There is {one_of(known)}"
            raise UsageError(f"{_has_no(ctx)} command {quoted(name)}", hint)
        return super().resolve_command(ctx, args)


class ListFirst(Group):
    """A group that lists where none of its commands is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        if not asks_for_help and (not args or args[0].startswith("-")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


SOME = 10
"""Fewer commands than this are simply listed to who mistyped one."""


def ours(error: click.ClickException) -> DotagentError:
    """What click found wrong, in the words and with the exit status of every other error."""
    if not isinstance(error, click.UsageError):
        return DotagentError(error.format_message())
    context = error.ctx
    if context is None:
        return UsageError(_sentence(error.format_message()))
    path = context.command_path
    hint = f"It goes: {' '.join(context.get_usage().split()[1:])}; more: {path} --help"
    if isinstance(error, click.NoSuchOption):
        options = [name for each in context.command.params for name in each.opts]
        near = nearest(error.option_name.lstrip("-"), [name.lstrip("-") for name in options])
        if near is not None:
            hint = f"Did you mean --{near}?"
        return UsageError(f"{_has_no(context)} option {quoted(error.option_name)}", hint)
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return UsageError(f"{_words(context)} needs {_name(error.param)}", hint)
    if isinstance(error, click.BadParameter) and error.param is not None:
        return UsageError(f"{_name(error.param)}: {_sentence(error.message)}", hint)
    return UsageError(_sentence(error.format_message()), hint)


def _words(context: click.Context) -> str:
    """The command's words after ``dotagent``."""
    return context.command_path.partition(" ")[2]


def _has_no(context: click.Context) -> str:
    words = _words(context)
    return f"{words} has no" if words else "there is no"


def _name(param: click.Parameter) -> str:
    """As a person would write it: ``--reason``, ``AGENT[/SCHEDULE]``."""
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.make_metavar(click.Context(click.Command(None)))


def _sentence(text: str) -> str:
    """Text that follows our name or a colon: no capital, no full stop, on one line."""
    flat = " ".join(text.split()).rstrip(".")
    return flat[:1].lower() + flat[1:]
