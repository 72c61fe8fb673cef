"""Grokscope's entry: no verb, or a run file, opens the window; a verb of the engine never imports Qt."""

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads cost 8x beside a busy neighbour
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) - 1)))  # analyses leave a core to the window
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: what is worth two cores is split by us


DRAWING = (["screenshot"], ["figure"], ["movie"], ["bench", "lateness"], ["bench", "following"], ["bench", "scrub"])


def main() -> int:
    """Dispatch on the first argument.  -> exit status: 0 done, 1 failed, 2 wrong usage"""
    arguments = sys.argv[1:]
    if not arguments or arguments[0].endswith(".h5") or os.path.exists(arguments[0]):
        from app import cli as app_cli

        return app_cli.window(arguments)
    if any(arguments[: len(words)] == words for words in DRAWING):
        from app import cli as app_cli

        return app_cli.main(arguments)
    from engine import cli

    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
