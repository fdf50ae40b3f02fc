"""How the help of a command ends: examples that can be pasted, and what comes next."""

from collections.abc import Sequence

__all__ = ["manual"]

_WIDTH = 76  # inside a terminal of 80 columns


def manual(examples: Sequence[str], after: str) -> str:
    """An epilog for typer: the examples, then what they lead to."""
    lines = "\n".join(_broken(example) for example in examples)
    return f"\b\n[bold]Examples[/bold]\n{lines}\n\n{after}"


def _broken(example: str) -> str:
    """The command in lines that a shell reads as one, broken before options."""
    lines = ["  "]
    for part in example.replace(" --", "\n--").split("\n"):
        fits = len(lines[-1]) + len(part) + 1 < _WIDTH - len("\\")
        if fits:
            lines[-1] += f"{part} "
        else:
            lines.append(f"      {part} ")
    return "\\\n".join(lines).rstrip()
