"""Prints the batch script of batchspawner's SlurmSpawner. Usage: batch_script.py PROLOGUE COMMAND

Its text is read from the source, because importing it needs JupyterHub.
"""

import ast
import sys
from importlib.metadata import files
from pathlib import Path

from jinja2 import Template

prologue, command = sys.argv[1:]
[source] = [each for each in files("batchspawner") if each.name == "batchspawner.py"]
module = ast.parse(Path(source.locate()).read_text())
[spawner] = [each for each in module.body if isinstance(each, ast.ClassDef) and each.name == "SlurmSpawner"]
texts = [
    each.value.func.value.args[0].value
    for each in spawner.body
    if isinstance(each, ast.Assign) and each.targets[0].id == "batch_script"
]
print(Template(texts[0]).render(prologue=prologue, cmd=command))
