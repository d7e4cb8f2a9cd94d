"""
What pixi does in a session, for tests: pixi itself is in no package registry that they may use. rattler's own activator, which pixi
uses, prints the code; the rest follows pixi's sources (0.77): crates/pixi_core/src/{activation,prompt}.rs,
crates/pixi_cli/src/{shell,shell_hook,run}.rs, and rattler_shell/src/activation.rs.

    pixi.py shell-hook [-e ENV] [--shell SHELL] [--change-ps1 false] [--json]
    pixi.py run [-e ENV] COMMAND...
    pixi.py shell [-e ENV] [--shell SHELL]     # feeds standard input to the shell, in a terminal of its own

The workspace is the current folder. Its pixi.toml has [workspace] name, and perhaps [activation] scripts and env. PIXI_DETACHED names
the folder of detached environments.
"""

import argparse
import ctypes
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from rattler.shell import ActivationVariables, PathModificationBehavior, Shell, activate

EXPORT = {"bash": "export {}={}", "zsh": "export {}={}", "fish": "set -gx {} {}"}
SOURCE = {"bash": ". {}", "zsh": ". {}", "fish": "source {}"}
ARGUMENTS = {"bash": ["-i"], "zsh": ["-i"], "fish": []}

FISH_PROMPT = """
function __pixi_add_prompt
    set_color -o green
    echo -n "({name}) "
    set_color normal
end

if not functions -q __fish_prompt_orig
    functions -c fish_prompt __fish_prompt_orig
end

function return_last_status
    return $argv
end

function fish_prompt
    set -l last_status $status
    if set -q PIXI_LEFT_PROMPT
        __pixi_add_prompt
    end
    return_last_status $last_status
    __fish_prompt_orig
end

function fish_right_prompt
    if not set -q PIXI_LEFT_PROMPT
        __pixi_add_prompt
    end
end
"""


class Workspace:
    def __init__(self, environment: str):
        self.root = Path.cwd()
        self.manifest = tomllib.loads((self.root / "pixi.toml").read_text())
        self.environment = environment
        name = self.manifest["workspace"]["name"]
        self.display_name = name if environment == "default" else f"{name}:{environment}"
        detached = os.environ.get("PIXI_DETACHED")
        self.prefix = Path(detached or self.root / ".pixi") / "envs" / environment
        self.activation = self.manifest.get("activation", {})

    def variables(self) -> dict[str, str]:
        return {
            "PIXI_PROJECT_ROOT": str(self.root),
            "PIXI_PROJECT_NAME": self.manifest["workspace"]["name"],
            "PIXI_PROJECT_MANIFEST": str(self.root / "pixi.toml"),
            "PIXI_PROJECT_VERSION": "NO_VERSION_SPECIFIED",
            "PIXI_IN_SHELL": "1",
            "PIXI_EXE": os.readlink("/proc/self/exe"),
            "CONDA_DEFAULT_ENV": self.display_name,
            "PIXI_ENVIRONMENT_NAME": self.environment,
            "PIXI_ENVIRONMENT_PLATFORMS": "linux-64",
            "PIXI_PROMPT": f"({self.display_name}) ",
        }

    def script(self, shell: str, deactivate: bool) -> str:
        """`Activator::activation`, with the variables and scripts that `get_activator` adds."""
        level = int(os.environ.get("CONDA_SHLVL", "0")) + 1
        if deactivate:
            left, path, how = os.environ.get("CONDA_PREFIX"), os.environ["PATH"].split(":"), PathModificationBehavior.Replace
        else:
            left, path, how = None, ["$PATH"], PathModificationBehavior.Replace
        code = activate(self.prefix, ActivationVariables(left, path, how), getattr(Shell, shell)).script
        code = re.sub(r"(CONDA_SHLVL\W+)1", rf"\g<1>{level}", code)
        if "CONDA_PREFIX" in os.environ:
            code = insert_before(code, "CONDA_PREFIX", export(shell, f"CONDA_ENV_SHLVL_{level}_CONDA_PREFIX", os.environ["CONDA_PREFIX"]))
        code = insert_after(code, "CONDA_PREFIX", exports(shell, level, self.variables()))
        code += "".join(SOURCE[shell].format(shlex.quote(str(self.root / each))) + "\n" for each in self.activation.get("scripts", []))
        return code + exports(shell, level, self.activation.get("env", {}))

    def run_activation(self) -> dict[str, str]:
        """The variables that differ behind the scripts, which run in a bash that ends at once."""
        separator = "____RATTLER_ENV_START____"
        code = f"/usr/bin/env -0\necho {separator}\n{self.script('bash', False)}echo {separator}\n/usr/bin/env -0\n"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "activation.sh"
            file.write_text(code)
            done = subprocess.run(["bash", file], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"Failed to run activation script: {done.stderr}")
        before, rest = done.stdout.split(separator, 1)
        after = rest.rsplit(separator, 1)[1]
        old = parse(before)
        return {name: value for name, value in parse(after).items() if old.get(name) != value}

    def prompt(self, shell: str) -> str:
        if shell == "fish":
            return FISH_PROMPT.replace("{name}", self.display_name)
        return f'export PS1="({self.display_name}) ${{PS1:-}}"\n'


def export(shell: str, name: str, value: str) -> str:
    quoted = '"' + value.replace('"', '\\"') + '"' if "$" in value else shlex.quote(value)
    return EXPORT[shell].format(name, quoted) + "\n"


def exports(shell: str, level: int, variables: dict[str, str]) -> str:
    """`apply_env_vars_with_backup`."""
    kept = {f"CONDA_ENV_SHLVL_{level}_{name}": os.environ[name] for name in variables if name in os.environ}
    return "".join(export(shell, name, value) for name, value in {**kept, **variables}.items())


def insert_before(code: str, name: str, lines: str) -> str:
    return re.sub(rf"^(?=\S+ (?:-gx )?{name}\b)", lambda _: lines, code, count=1, flags=re.M)


def insert_after(code: str, name: str, lines: str) -> str:
    return re.sub(rf"^\S+ (?:-gx )?{name}\b.*\n", lambda found: found[0] + lines, code, count=1, flags=re.M)


def parse(text: str) -> dict[str, str]:
    records = (record.lstrip("\n").split("=", 1) for record in text.split("\0") if "=" in record)
    return {name: value for name, value in records}


def shell_in_terminal(workspace: Workspace, shell: str) -> int:
    """`start_unix_shell`: the shell reads a file with the variables, as if the user had typed that."""
    done = "PIXI_SHELL_ACTIVATION_DONE"
    text = "".join(export(shell, name, value) for name, value in workspace.run_activation().items())
    with tempfile.NamedTemporaryFile("w", prefix="pixi_env_", suffix=".sh", delete=False) as file:
        file.write(f"{text}echo {done}\n{workspace.prompt(shell)}")
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(shell, [shell, *ARGUMENTS[shell]])
    os.write(terminal, f" {SOURCE[shell].format(file.name)}\n".encode())
    seen = b""
    while done.encode() not in seen.replace(f"echo {done}".encode(), b""):
        seen += os.read(terminal, 4096)
    os.unlink(file.name)
    for line in sys.stdin.buffer:
        os.write(terminal, line)
    try:
        while data := os.read(terminal, 4096):
            os.write(1, data)
    except OSError:
        pass  # the shell has ended
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def look_like_pixi() -> None:
    """Others see the arguments of this process as those of pixi, without Python's own."""
    fields = Path("/proc/self/stat").read_text().rsplit(") ", 1)[1].split()
    start, end = int(fields[45]), int(fields[46])
    words = "".join(f"{word}\0" for word in ["pixi", *sys.argv[1:]]).encode()
    ctypes.memmove(start, words.ljust(end - start, b"\0"), end - start)


def main() -> int:
    look_like_pixi()
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["shell-hook", "run", "shell"])
    parser.add_argument("-e", dest="environment", default="default")
    parser.add_argument("--shell", default="bash", choices=list(EXPORT))
    parser.add_argument("--change-ps1", default="true")
    parser.add_argument("--json", action="store_true")
    given, command = parser.parse_known_args()
    workspace = Workspace(given.environment)
    if given.action == "shell-hook" and given.json:
        print(json.dumps({"environment_variables": workspace.run_activation()}))
        return 0
    if given.action == "shell-hook":
        print(workspace.script(given.shell, True))
        if given.change_ps1 == "true":
            print(workspace.prompt(given.shell))
        return 0
    if given.action == "shell":
        return shell_in_terminal(workspace, given.shell)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.run(command, env={**os.environ, **workspace.run_activation()}).returncode


status = main()
sys.stdout.flush()
# rattler's threads are still there, and may crash in Python's own shutdown.
os._exit(status)
