"""The command on few images and few steps, as a program of its own: `python few_command.py table2`.

What its jobs measure does not depend on this file: settings travel in them.
"""

from __future__ import annotations

import sys

from miniature import FEW_IMAGES, LITTLE, PROTOCOL

from mergebench import cli
from mergebench.commands.runs import experiments

if __name__ == "__main__":
    experiments.get_setting = lambda name: LITTLE
    experiments.get_protocol = lambda name: PROTOCOL
    sys.exit(cli.main([*sys.argv[1:], "--plugin", str(FEW_IMAGES), "--tasks", "mnist fashion"]))
