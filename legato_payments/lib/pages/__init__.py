"""How the pages of the back office show values: cells, columns of lists, tables on a page.

Knows no app and no theme. Whatever comes from outside is escaped: ``format_html`` alone makes HTML.
"""
