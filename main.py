"""Grokscope's entry: no verb, or a run file, opens the window; a verb of the engine never imports Qt."""

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads cost 8x beside a busy neighbour


def main() -> int:
    """Dispatch on the first argument.  -> exit status: 0 done, 1 failed, 2 wrong usage"""
    from engine import cli

    arguments = sys.argv[1:]
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
