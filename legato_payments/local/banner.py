"""What a ready stack says: where to look, and who to be."""

FINANCE = ("finance", "legato-demo-finance")
APPROVER = ("approver", "legato-demo-approver")
"""Demo staff, name and password, of this machine only: a payout asked by one needs the other."""


def welcome(*, url: str, admin_path: str) -> str:
    """The lines shown when everything answers.

    Args:
        url: Where the web service is, without a slash at the end.
        admin_path: The back office below it, ``ADMIN_PATH``.
    """
    return "\n".join(
        [
            "Ready. Ctrl-C stops everything.",
            "",
            f"    API docs     {url}/api/docs",
            f"    Back office  {url}/{admin_path}",
            f"                 {FINANCE[0]} / {FINANCE[1]}",
            f"                 {APPROVER[0]} / {APPROVER[1]}   (second person for approvals)",
            f"    Health       {url}/readyz",
            "    A token      .venv/bin/python manage.py issue_token --user reader-1",
            "",
        ]
    )
