"""Build the conda package with rattler-build, for a channel that has the Node it depends on.

Usage: conda_package.py RECIPE CHANNEL NODE VERSION, with
  RECIPE    recipe.yaml
  CHANNEL   folder to make
  NODE      a node program, for the package nodejs
  VERSION   of that
"""

import shutil
import sys
import tempfile
from pathlib import Path

from rattler_build import PlatformConfig, RenderConfig, Stage0Recipe, ToolConfiguration, VariantConfig

sys.path.insert(0, str(Path(__file__).parent.parent / "fixtures/builder"))
from conda_package import index_channel, write_package  # noqa: E402


def main(recipe: str, channel: Path, node: str, version: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "bin/node")
        program.parent.mkdir()
        shutil.copy(node, program)
        write_package(channel, Path(folder), "nodejs", version)
    index_channel(channel)
    tools = ToolConfiguration(test_strategy="native")
    for variant in Stage0Recipe.from_file(recipe).render(VariantConfig(), RenderConfig(platform=PlatformConfig())):
        built = variant.run_build(tool_config=tools, output_dir=channel, channels=[channel.as_uri()])
        print(built)


if __name__ == "__main__":
    recipe, channel, node, version = sys.argv[1:]
    main(recipe, Path(channel), node, version)
