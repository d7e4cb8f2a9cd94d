"""Runs the recipe for Spack as Spack would: fetches, unpacks, installs, checks, tests. Spack itself is in no registry of packages.

Arguments: recipe, prefix. The current folder holds the release. It stands in for the names of Spack's package API v2.0 that the
recipe uses; any other name ends it.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import types


class Prefix(str):
    def __getattr__(self, name):
        return Prefix(os.path.join(self, name))

    def join(self, name):
        return Prefix(os.path.join(self, name))


class Package:
    versions = []


def which(path, required=False):
    assert os.access(path, os.X_OK) or not required
    return lambda *args, output: subprocess.run([path, *args], check=True, stdout=subprocess.PIPE, text=True).stdout


api = types.ModuleType("spack.package")
api.version = lambda number, **checksum: Package.versions.append(number)
api.license = api.requires = lambda *words, policy=None: None
api.install = shutil.copy
api.install_tree = lambda source, target: shutil.copytree(source, target, symlinks=True)
api.join_path = os.path.join
api.which = which

generic = types.ModuleType("spack_repo.builtin.build_systems.generic")
generic.Package = Package
for name in ("spack", "spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems"):
    sys.modules[name] = types.ModuleType(name)
sys.modules[api.__name__] = api
sys.modules[generic.__name__] = generic

recipe, prefix = sys.argv[1], Prefix(sys.argv[2])
spec = importlib.util.spec_from_file_location("recipe", recipe)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

package = module.CondaStage()
package.prefix = prefix
(package.version,) = Package.versions
package.spec = types.SimpleNamespace(version=package.version)
url = package.url_for_version(package.version)
assert url.startswith("file://") and os.path.dirname(package.url) == os.path.dirname(url)

stage = tempfile.mkdtemp(dir=os.getcwd())
with tarfile.open(url[len("file://") :]) as archive:
    archive.extractall(stage)
(folder,) = os.listdir(stage)
os.chdir(os.path.join(stage, folder))
package.install(package.spec, prefix)
for path in package.sanity_check_is_file:
    assert os.path.isfile(os.path.join(prefix, path)), path
package.test_version()
print(package.version)
