import os

from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class Kaon(Package):
    """Trains foundation models of particle jets on CPU clusters, data parallel over MPI."""

    # The repository that contains this recipe.
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 5))
    homepage = f"file://{root}"
    git = f"file://{root}"

    license("MIT")

    version("main", branch="main")

    depends_on("swift-toolchain@6.1:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("python@3.10:", type="build")
    depends_on("openmpi@4:5")
    depends_on("hdf5@1.10: +mpi")
    depends_on("openblas")

    phases = ["build", "install"]

    def libraries(self):
        """The folders of the libraries, which the loader has to find."""
        return [self.spec[name].libs.directories[0] for name in ("openmpi", "hdf5", "openblas")]

    def setup_build_environment(self, env):
        env.set("HDF5_ROOT", self.spec["hdf5"].prefix)
        env.set("OPENBLAS_ROOT", self.spec["openblas"].prefix)
        # setup.sh describes HDF5 under the name that Package.swift uses.
        env.prepend_path("PKG_CONFIG_PATH", join_path(self.stage.source_path, ".build", "pkgconfig"))

    def build(self, spec, prefix):
        which("bash", required=True)("scripts/setup.sh")
        paths = [flag for folder in self.libraries() for flag in ("-Xlinker", "-rpath", "-Xlinker", folder)]
        which("swift", required=True)(
            "build", "-c", "release", "--product", "kaon", "--static-swift-stdlib", "--disable-sandbox",
            "-j", str(make_jobs), *paths
        )

    def install(self, spec, prefix):
        program = join_path(".build", "release", "kaon")
        mkdirp(prefix.bin)
        install(program, prefix.bin)
        # As in an archive; the examples read the sample jets.
        jets = join_path("Tests", "Fixtures", "jets")
        for folder in ("configs", "docs", "examples", "python", "scripts", "slurm", "condor", jets):
            install_tree(folder, join_path(prefix.share, "kaon", folder))
        # The scripts print the version from it.
        system = join_path("Sources", "System")
        mkdirp(join_path(prefix.share, "kaon", system))
        install(join_path(system, "Version.swift"), join_path(prefix.share, "kaon", system))
        answers = {
            join_path(prefix.share, "man", "man1", "kaon.1"): ("python3", "scripts/man-page.py", program),
            join_path(prefix.share, "bash-completion", "completions", "kaon"): (program, "bash"),
            join_path(prefix.share, "zsh", "site-functions", "_kaon"): (program, "zsh"),
            join_path(prefix.share, "fish", "vendor_completions.d", "kaon.fish"): (program, "fish"),
        }
        for path, command in answers.items():
            mkdirp(os.path.dirname(path))
            arguments = command[1:] if command[0] == "python3" else ["--generate-completion-script", command[1]]
            with open(path, "w") as file:
                Executable(command[0])(*arguments, output=file)
