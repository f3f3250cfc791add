"""The Spack recipe, run with the few names of Spack's language that it uses."""

import importlib.util
import os
import shutil
import sys
import types
from pathlib import Path

import pytest

#: The folders that archives have, too.
FOLDERS = ("configs", "docs", "examples", "python", "scripts", "slurm", "condor", "Tests/Fixtures/jets")
ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "spack/spack_repo/kaon/packages"


class Recorded:
    """An Executable that records its arguments; Python runs."""

    calls = []

    def __init__(self, name):
        self.name = str(name)

    def __call__(self, *arguments, output=None, error=None):
        Recorded.calls.append([os.path.basename(self.name), *arguments])
        if output is str:
            return "swift-driver version: 1.120\nSwift version 6.3.1 (swift-6.3.1-RELEASE)\n"
        if output is not None:
            output.write("answer of " + self.name)
        return None


@pytest.fixture
def recipe(monkeypatch):
    def load(name):
        language = types.ModuleType("spack.package")
        directives = {"license": [], "version": [], "depends_on": []}
        for directive, calls in directives.items():
            setattr(language, directive, lambda *words, calls=calls, **options: calls.append((words, options)))
        language.Executable = Recorded
        language.which = lambda program, required: Recorded(program)
        language.join_path = os.path.join
        language.mkdirp = lambda *paths: [os.makedirs(path, exist_ok=True) for path in paths]
        language.install = shutil.copy
        language.install_tree = shutil.copytree
        language.make_jobs = 3
        language.InstallError = type("InstallError", (Exception,), {})
        generic = types.ModuleType("spack_repo.builtin.build_systems.generic")
        generic.Package = object
        for module in ("spack", "spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems"):
            monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
        monkeypatch.setitem(sys.modules, "spack.package", language)
        monkeypatch.setitem(sys.modules, "spack_repo.builtin.build_systems.generic", generic)
        specification = importlib.util.spec_from_file_location(name, RECIPES / name / "package.py")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        module.directives = directives
        Recorded.calls = []
        return module

    return load


class Prefix(str):
    bin = property(lambda self: os.path.join(self, "bin"))
    share = property(lambda self: os.path.join(self, "share"))


def test_the_recipe_builds_with_the_libraries_of_spack(recipe, tmp_path, monkeypatch):
    module = recipe("kaon")
    assert {words[0].split("@")[0].split()[0] for words, _ in module.directives["depends_on"]} == {
        "swift-toolchain", "pkgconfig", "python", "openmpi", "hdf5", "openblas"}
    package = module.Kaon()
    package.spec = {
        name: types.SimpleNamespace(libs=types.SimpleNamespace(directories=[f"/opt/{name}/lib"]), prefix=f"/opt/{name}")
        for name in ("openmpi", "hdf5", "openblas")}
    package.build(package.spec, Prefix(tmp_path))
    assert Recorded.calls[0] == ["bash", "scripts/setup.sh"]
    build = Recorded.calls[1]
    assert build[:6] == ["swift", "build", "-c", "release", "--product", "kaon"] and "--static-swift-stdlib" in build
    assert all(f"/opt/{name}/lib" in build for name in package.spec)


def test_the_recipe_installs_every_folder(recipe, tmp_path, monkeypatch):
    module = recipe("kaon")
    source, prefix = tmp_path / "source", Prefix(tmp_path / "prefix")
    archived = (ROOT / "scripts/package.sh").read_text().split("files=(")[1].split(")")[0].split()
    assert set(FOLDERS) == {name for name in archived if (ROOT / name).is_dir()}
    for folder in FOLDERS:
        (source / folder).mkdir(parents=True)
        (source / folder / "file").write_text(folder)
    (source / ".build/release").mkdir(parents=True)
    (source / ".build/release/kaon").write_text("program")
    (source / "Sources/System").mkdir(parents=True)
    (source / "Sources/System/Version.swift").write_text("version")
    monkeypatch.chdir(source)
    module.Kaon().install(None, prefix)
    installed = {str(path.relative_to(prefix)) for path in Path(prefix).rglob("*") if path.is_file()}
    assert installed == {
        "bin/kaon", "share/man/man1/kaon.1", "share/bash-completion/completions/kaon", "share/zsh/site-functions/_kaon",
        "share/fish/vendor_completions.d/kaon.fish",
        "share/kaon/Sources/System/Version.swift", *(f"share/kaon/{folder}/file" for folder in FOLDERS)}
    assert ["python3", "scripts/man-page.py", ".build/release/kaon"] in Recorded.calls


def test_the_recipe_builds_the_repository_that_contains_it(recipe):
    root = Path(recipe("kaon").Kaon.root)
    assert root == ROOT and (root / "Package.swift").exists()


def test_an_installed_swift_is_found(recipe):
    module = recipe("swift_toolchain")
    assert module.SwiftToolchain.determine_version("/usr/bin/swift") == "6.3.1"
    with pytest.raises(module.InstallError, match="spack external find"):
        module.SwiftToolchain().install(None, None)
