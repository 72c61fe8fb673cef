"""What "?" says of a view."""

from __future__ import annotations

from dataclasses import dataclass

from app import theme


@dataclass(frozen=True)
class Help:
    """What "?" says of a view; simple rich text (b, i, sub, sup).

    see : what is on show      look_for : what it tells, with this task's numbers      wrong : what would be wrong
    formula : the definition   paper : section or figure
    """

    see: str
    look_for: str
    wrong: str
    formula: str
    paper: str


def help_text(title: str, help: Help) -> str:
    """The rich text of a view's help."""
    parts = (
        ("What you see", help.see), ("What to look for", help.look_for), ("What would be wrong", help.wrong),
        ("Formula", help.formula), ("In the paper", help.paper),
    )  # fmt: skip
    muted = theme.current().muted
    body = "".join(
        f"<p style='margin:6px 0 0 0'><span style='color:{muted}'>{head}</span><br>{text}</p>" for head, text in parts
    )
    return f"<p style='margin:0'><b>{title}</b></p>{body}"
