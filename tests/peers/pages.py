"""Plain pages of HTML."""

from collections.abc import Mapping
from html import escape

from tests.peers.web import Answer

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font: 1.2rem sans-serif; max-width: 30rem; margin: 4rem auto">
<h1>{title}</h1><p>{text}</p><form method="post">{buttons}</form>
<p><small>A test double: no money moves.</small></p></body></html>"""

BUTTON = '<p><button name="action" value="{value}">{label}</button></p>'


def form_page(title: str, text: str, buttons: Mapping[str, str]) -> Answer:
    """A page with a button for each action."""
    drawn = "".join(
        BUTTON.format(value=escape(value), label=escape(label)) for value, label in buttons.items()
    )
    page = PAGE.format(title=escape(title), text=escape(text), buttons=drawn)
    return Answer(200, page.encode(), content_type="text/html; charset=utf-8")


def message_page(text: str) -> Answer:
    """A page that says something."""
    return form_page(text, "", {})


def redirect(url: str) -> Answer:
    """The browser goes there."""
    return Answer(303, b"", {"Location": url}, content_type="text/html; charset=utf-8")
