"""Prints where the processes run that Python starts by its own path (sys.executable)."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor


def where(_):
    return sys.prefix


if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
            print(method, *sorted(set(pool.map(where, range(8)))))
