"""Markdown tables with the raw figure of each service, and ours divided by it."""

OURS = "keysluice"


def ratio(ours, theirs):
    """Ours in parts of theirs, below 1 when ours is less; "–" when one of them was not measured."""
    if ours is None or theirs is None or theirs <= 0:
        return "–"
    return f"{ours / theirs:.2f}"


def number(value, digits):
    return "–" if value is None else f"{value:,.{digits}f}"


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def compared(figures, columns, digits, pick):
    """Rows of (raw, ratio) pairs. `columns` are keys of what `pick(service's figures)` returns."""
    ours = pick(figures[OURS]) if OURS in figures else None
    for name, measured in figures.items():
        theirs = pick(measured)
        row = []
        for key in columns:
            row.append(number(theirs and theirs[key], digits))
            row.append("1" if name == OURS else ratio(ours and ours[key], theirs and theirs[key]))
        yield name, row, theirs
