"""What `pip install .` does besides copying: compile the flat loops, where that can be done.

mypyc makes a C extension of a Python module, which stands beside it in the wheel and is imported instead.
Where there is no compiler the wheel is one for any machine, and the loops are interpreted.
TRIO_OHWS_COMPILE=0 asks for that, and TRIO_OHWS_COMPILE=1 for an error in its place.
"""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from mypyc.build import mypycify
from setuptools import Distribution

COMPILED = "trio_ohws/_wire/splitter.py"


class CompileHook(BuildHookInterface[Any]):
    """Adds the extension to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, before the wheel is put together."""
        wanted = os.environ.get("TRIO_OHWS_COMPILE")
        if version == "editable" or wanted == "0":
            return  # an extension beside the source would be imported however the source changes
        self._folder = TemporaryDirectory()
        try:
            extensions = compile_module(Path(self.root), COMPILED, Path(self._folder.name))
        except (Exception, SystemExit) as error:  # mypyc exits, and compilers fail in ways of their own
            if wanted == "1":
                raise
            self.app.display_warning(f"trio_ohws is not compiled, which makes it slower: {error}")
            return
        build_data["force_include"] |= extensions
        build_data["infer_tag"] = True
        build_data["pure_python"] = False

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clean up, once it is."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def compile_module(root: Path, module: str, folder: Path) -> dict[str, str]:
    """Compile a module that imports no other one of ours.

    Args:
        root: where the source is.
        module: its path from there.
        folder: an empty one, to work in.

    Returns:
        For each file that came of it its place in the wheel.
    """
    # A copy with nothing around it: mypyc reads the packages that a module is in, and writes beside it.
    source = folder / module
    source.parent.mkdir(parents=True)
    shutil.copy(root / module, source)
    for package in Path(module).parents[:-1]:
        (folder / package / "__init__.py").touch()
    before = Path.cwd()
    os.chdir(folder)
    try:
        extensions = mypycify(["--config-file=", module], opt_level="3", target_dir=str(folder / "c"))
        build = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
        build.ensure_finalized()
        build.build_lib, build.build_temp = str(folder / "lib"), str(folder / "temp")
        build.run()
    finally:
        os.chdir(before)
    made = folder / "lib"
    return {str(file): str(file.relative_to(made)) for file in made.rglob("*") if file.is_file()}
