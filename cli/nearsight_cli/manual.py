"""Commands that can be pasted, and how the help of a command ends: with some of them and what comes next."""

from collections.abc import Sequence

__all__ = ["manual", "pasted"]

_WIDTH = 76  # inside a terminal of 80 columns


def manual(examples: Sequence[str], after: str) -> str:
    """An epilog for typer: the examples, then what they lead to."""
    lines = "\n".join(pasted(example, "  ") for example in examples)
    return f"\b\n[bold]Examples[/bold]\n{lines}\n\n{after}"


def pasted(command: str, prompt: str) -> str:
    """The command after a prompt, in lines that a shell reads as one, broken before options.

    >>> print(pasted("nearsight train purchases.csv --target purchase --within 273d --out runs/first", "$ "))
    $ nearsight train purchases.csv --target purchase --within 273d \\
          --out runs/first
    """
    lines = [prompt]
    for part in command.replace(" --", "\n--").split("\n"):
        fits = len(lines[-1]) + len(part) + 1 < _WIDTH - len("\\")
        if fits:
            lines[-1] += f"{part} "
        else:
            lines.append(f"      {part} ")
    return "\\\n".join(lines).rstrip()
