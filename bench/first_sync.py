"""One first sync, in a process of its own: ``python -m bench.first_sync DATA SOURCE [VERDICTS]``; prints its seconds.

The processes that judge zips import this module too, so it imports nothing until it is told to do something.
"""

import sys

if __name__ == "__main__":
    from bench.syncing import run

    print(run(*sys.argv[1:]))
