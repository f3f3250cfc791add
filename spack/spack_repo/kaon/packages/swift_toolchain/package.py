import re

from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class SwiftToolchain(Package):
    """The Swift compiler and package manager. Spack finds an installed toolchain, and does not build it:
    spack external find swift-toolchain"""

    homepage = "https://www.swift.org"
    has_code = False

    license("Apache-2.0 WITH Swift-exception")

    version("6.3.1")
    version("6.2")
    version("6.1")

    executables = [r"^swift$"]

    @classmethod
    def determine_version(cls, exe):
        match = re.search(r"Swift version (\d+(?:\.\d+)+)", Executable(exe)("--version", output=str, error=str))
        return match.group(1) if match else None

    def install(self, spec, prefix):
        raise InstallError(
            "install Swift from https://www.swift.org/install/linux, then run: spack external find swift-toolchain"
        )
