"""Tables of text: Markdown and LaTeX, one renderer for every report."""

from collections.abc import Iterable, Sequence


def markdown(
    head: Sequence[str], rows: Iterable[Sequence[object]], numbers_from: int | None = None
) -> str:
    """A Markdown table, ending with a newline.

    Args:
        rows: as many cells each as ``head``; None is an empty cell.
        numbers_from: this column and those after it stand to the right.
    """
    right = len(head) if numbers_from is None else numbers_from
    rule = ["---:" if place >= right else "---" for place in range(len(head))]
    lines = [_line(head), "|" + "|".join(rule) + "|", *map(_line, rows)]
    return "\n".join(lines) + "\n"


def latex(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A LaTeX table (package booktabs) without a last newline: the first column stands to the left.

    Args:
        head: plain text, which is escaped.
        rows: LaTeX; ``tex`` escapes plain text.
    """
    lines = [
        f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        "\\toprule",
        f"{' & '.join(map(tex, head))} \\\\",
        "\\midrule",
        *(f"{' & '.join(row)} \\\\" for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines)


def tex(text: str) -> str:
    """Plain text for LaTeX."""
    return "".join(f"\\{c}" if c in "&%$#_{}" else c for c in text)


def _line(cells: Sequence[object]) -> str:
    texts = ("" if cell is None else str(cell).replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(texts) + " |"
