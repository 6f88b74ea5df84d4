"""Where the time of one purchase goes, by the functions that it is made of."""

import time

from bench import operations, server, workers


def by_function(*, seconds: float) -> dict[str, float]:
    """Microseconds that a purchase spends in each function itself, the largest first."""
    with server.superuser() as connection:
        connection.execute("ALTER ROLE legato_app SET track_functions = 'pl'")
        connection.execute("SELECT pg_stat_reset()")
        workers.run(lambda _number: operations.buy(), processes=1, seconds=seconds)
        connection.execute("ALTER ROLE legato_app RESET track_functions")
        time.sleep(1)  # a session reports when it ends
        calls = connection.execute(
            "SELECT calls FROM pg_stat_user_functions WHERE funcname = 'access_buy'"
        ).fetchone()
        assert calls is not None
        rows = connection.execute(
            "SELECT funcname, self_time FROM pg_stat_user_functions ORDER BY self_time DESC"
        ).fetchall()
    return {str(name): 1000 * float(str(spent)) / int(str(calls[0])) for name, spent in rows}
