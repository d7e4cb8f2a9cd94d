"""Prints as JSON the scripts that batchspawner's spawners hand in. Usage: batch_scripts.py PROLOGUE COMMAND SPAWNER..."""

import json
import sys

from batchspawner import batchspawner

prologue, command, *spawners = sys.argv[1:]
others = ("queue", "host", "runtime", "nprocs", "memory", "homedir", "options", "keepvars", "epilogue")
values = dict.fromkeys(others, "") | {"prologue": prologue, "cmd": command}
templates = [getattr(batchspawner, name).batch_script.default_value for name in spawners]
print(json.dumps([batchspawner.format_template(template, **values) for template in templates]))
