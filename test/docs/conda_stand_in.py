"""What `conda` does besides activating, as far as docs/work-with-conda.md uses it: create, install, list, env list, env export,
config.

Called like `conda`. rattler solves and installs packages, from the channels below $CHANNELS_STAND_IN. The output is that of
conda 26.9, without its progress bars.
"""

import argparse
import asyncio
import json
import os
import re
import shlex
import sys
import time
from pathlib import Path

import rattler

sys.path.insert(0, str(Path(__file__).parent.parent / "fixtures/builder"))
from install import compile_modules, finish
from leave import leave

ROOT = Path(os.environ["CONDA_ROOT_STAND_IN"])
ACTIVE = os.environ.get("CONDA_PREFIX", "")
CHANNEL = "conda-forge"


def main() -> None:
    parser = argparse.ArgumentParser("conda")
    commands = parser.add_subparsers(required=True)
    for name, body in {"create": create, "install": install}.items():
        command = add(commands, name, body)
        command.add_argument("-n", "--name")
        command.add_argument("-y", "--yes", action="store_true", required=True)  # nobody is there to be asked
        command.add_argument("specs", nargs="+")
    add(commands, "list", list_packages).add_argument("regex", nargs="?", default="")
    add(commands, "config", config).add_argument("--set", nargs=2, required=True)
    environments = commands.add_parser("env").add_subparsers(required=True)
    add(environments, "list", list_environments)
    add(environments, "export", export).add_argument("--from-history", action="store_true", required=True)
    options = parser.parse_args()
    options.body(options)


def add(commands, name: str, body):
    command = commands.add_parser(name)
    command.set_defaults(body=body)
    return command


def create(options) -> None:
    prefix = ROOT / "envs" / options.name
    if (prefix / "conda-meta").exists():
        sys.exit("CondaValueError: prefix already exists")
    asyncio.run(transact(prefix, options.specs))
    print("#\n# To activate this environment, use\n#\n#     $ conda activate " + options.name)
    print("#\n# To deactivate an active environment, use\n#\n#     $ conda deactivate\n")


def install(options) -> None:
    asyncio.run(transact(ROOT / "envs" / options.name if options.name else Path(ACTIVE), options.specs))


async def transact(prefix: Path, specs: list[str]) -> None:
    """Keeps installed packages as they are if possible."""
    installed = records(prefix)
    packages = ROOT / "pkgs"
    solved = await rattler.solve(
        [(Path(os.environ["CHANNELS_STAND_IN"]) / CHANNEL).as_uri()],
        [*requested(prefix), *specs],
        gateway=rattler.Gateway(cache_dir=packages / "repodata"),
        locked_packages=installed,
        virtual_packages=rattler.VirtualPackage.detect(),
        add_pip_as_python_dependency=True,
    )
    there = {record.name.normalized for record in installed}
    new = sorted((record for record in solved if record.name.normalized not in there), key=lambda r: r.name.normalized)
    print(f"Channels:\n - {CHANNEL}\n\n## Package Plan ##\n\n  environment location: {prefix}\n\n  added / updated specs:")
    print("".join(f"    - {spec}\n" for spec in sorted(specs)))
    print("\nThe following NEW packages will be INSTALLED:\n")
    print("".join(f"  {record.name.normalized:18} {CHANNEL}/{record.subdir}::{stem(record)} \n" for record in new))
    await rattler.install(
        solved,
        prefix,
        cache_dir=packages,
        installed_packages=installed,
        config=rattler.Config.from_toml("allow-ref-links = false\nallow-hard-links = true\n"),
        show_progress=False,
    )
    compile_modules(prefix)
    finish(prefix)
    write_as_conda_does(prefix)
    with open(prefix / "conda-meta/history", "a") as history:
        print(time.strftime("==> %Y-%m-%d %H:%M:%S <=="), f"# cmd: conda {shlex.join(sys.argv[1:])}", sep="\n", file=history)
        print("# conda version: 26.9.0", *(f"+{CHANNEL}/{r.subdir}::{stem(r)}" for r in new), sep="\n", file=history)
        print(f"# update specs: {json.dumps(specs)}", file=history)
    print("\nPreparing transaction: done\nVerifying transaction: done\nExecuting transaction: done")


def write_as_conda_does(prefix: Path) -> None:
    """conda records a noarch package's files by their paths in the package. Only `files` has their paths in the prefix."""
    for path in (prefix / "conda-meta").glob("*.json"):
        record = json.loads(path.read_text())
        if record.get("noarch") == "python":
            for entry in record["paths_data"]["paths"]:
                if entry["path_type"] in ("hardlink", "softlink"):
                    entry["_path"] = re.sub("^lib/python[^/]*/site-packages/", "site-packages/", entry["_path"])
            path.write_text(json.dumps(record, indent=2))


def records(prefix: Path) -> list:
    return [rattler.PrefixRecord.from_path(path) for path in sorted((prefix / "conda-meta").glob("*.json"))]


def requested(prefix: Path) -> list[str]:
    """Everything that the user has asked for so far."""
    history = prefix / "conda-meta/history"
    lines = re.findall(r"^# update specs: (.*)$", history.read_text(), re.MULTILINE) if history.exists() else []
    return [spec for line in lines for spec in json.loads(line)]


def stem(record) -> str:
    return record.file_name.removesuffix(".conda")


def list_packages(options) -> None:
    print(f"# packages in environment at {ACTIVE}:\n#\n# Name                     Version          Build            Channel")
    for record in records(Path(ACTIVE)):
        if re.search(options.regex, record.name.normalized):
            print(f"{record.name.normalized:26} {str(record.version):16} {str(record.build):16} {CHANNEL}")


def list_environments(_) -> None:
    print("\n# conda environments:\n#\n# * -> active\n# + -> frozen")
    for prefix in [ROOT, *sorted(path.parent for path in (ROOT / "envs").glob("*/conda-meta"))]:
        name = "base" if prefix == ROOT else prefix.name
        print(f"{name:20} {'*' if str(prefix) == ACTIVE else ' '}   {prefix}")
    print()


def export(_) -> None:
    print(f"name: {Path(ACTIVE).name}\nchannels:\n  - {CHANNEL}\ndependencies:")
    print("".join(f"  - {spec}\n" for spec in requested(Path(ACTIVE))), end="")
    print(f"prefix: {ACTIVE}")


def config(options) -> None:
    key, value = options.set
    if key == "auto_activate_base":
        print("WARNING: Key auto_activate_base is an alias of auto_activate; setting value with latter", file=sys.stderr)
        key = "auto_activate"
    with open(Path.home() / ".condarc", "a") as file:
        print(f"{key}: {value}", file=file)


if __name__ == "__main__":
    main()
    leave()
