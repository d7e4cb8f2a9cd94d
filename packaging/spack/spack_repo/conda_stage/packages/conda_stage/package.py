# Installs the release as it is, Node included. Run Spack in the folder that holds
# conda-stage-VERSION-linux-ARCH.tar.gz, or keep that in a mirror. Its checksum is in SHA256SUMS
# beside it: enter it as `sha256=`. Every build of the release has another.
import os
import platform

from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class CondaStage(Package):
    """Works from a copy of a conda environment on local disk, not from a slow network file
    system."""

    manual_download = True
    url = f"file://{os.getcwd()}/conda-stage-1.0.0-linux-x64.tar.gz"

    license("ISC")

    version("1.0.0")

    requires("platform=linux")
    requires("target=x86_64:", "target=aarch64:", policy="one_of")

    sanity_check_is_file = ["bin/conda-stage", "share/man/man1/conda-stage.1"]

    def url_for_version(self, version):
        arch = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
        return f"file://{os.getcwd()}/conda-stage-{version}-linux-{arch}.tar.gz"

    def install(self, spec, prefix):
        for folder in ("bin", "libexec", "share"):
            install_tree(folder, join_path(prefix, folder))
        install("LICENSE", prefix)

    def test_version(self):
        """The program starts, and says its version."""
        conda_stage = which(self.prefix.bin.join("conda-stage"), required=True)
        assert str(self.spec.version) in conda_stage("--version", output=str.split)
