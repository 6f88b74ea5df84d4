"""Text from outside in files that people open as spreadsheets."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet calculates (OWASP, CSV injection)."""


def text(value: str) -> str:
    """``value`` as a cell that is shown and never calculated; only for text, numbers stay numbers.

    >>> text("=1+1"), text("po_123")
    ("'=1+1", 'po_123')
    """
    return f"'{value}" if value.startswith(FORMULA) else value
