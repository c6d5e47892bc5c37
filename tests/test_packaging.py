"""What is shipped: the wheel in an environment of its own, and the two lists of dependencies."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
import urllib.request
import venv
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from servers import running_dashboard

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_yml_and_pyproject_name_the_same_packages_and_versions() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    listed = [line for line in environment["dependencies"] if isinstance(line, str)]
    python = f"python{PYPROJECT['requires-python']}"
    expected = []
    for requirement in PYPROJECT["dependencies"]:
        name, version = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()  # type: ignore[union-attr]
        expected.append(CONDA_NAMES.get(name, name) + version)
    assert sorted(listed) == sorted([python, "pip", *expected])
    assert {"pip": ["-e ."]} in environment["dependencies"]


def test_the_version_is_the_packages() -> None:
    import lesionviz

    assert lesionviz.__version__ == PYPROJECT["version"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT], check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.mark.wheel
def test_the_wheel_carries_what_it_needs_and_nothing_from_the_dataset(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "lesionviz/models/best_model.pth",
        "lesionviz/models/drawings.pth",
        "lesionviz/models/drawings.pth.sha256",
        "lesionviz/data/samples.json",
        "lesionviz/serving/lesion_explorer.ipynb",
        "lesionviz/serving/share/jupyter/voila/templates/lesionviz/index.html.j2",
        "lesionviz/widgets/case/case_view.js",
        "lesionviz/py.typed",
    ):
        assert needed in names
    assert not [name for name in names if "ISIC_" in name or name.endswith((".jpg", ".jpeg", ".csv"))]
    assert not [name for name in names if name.startswith("tests/") or name.endswith(".d.ts")]


@pytest.mark.wheel
def test_the_wheel_alone_serves_the_dashboard_and_answers(wheel: Path, tmp_path: Path) -> None:
    """Packages are lent from this environment, which saves a second download of torch; the code is the wheel's alone."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python, command = environment / "bin" / "python", environment / "bin" / "lesionviz"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True, cwd=tmp_path)
    site = next((environment / "lib").glob("python*/site-packages"))
    (site / "lent.pth").write_text(
        sysconfig.get_path("purelib")
    )  # paths in such a file come after the environment's own
    shared = Path(sys.prefix)
    lent = {
        "JUPYTER_PATH": str(shared / "share" / "jupyter"),
        "JUPYTER_CONFIG_PATH": str(shared / "etc" / "jupyter"),
    }
    with running_dashboard([command], tmp_path, **lent) as (address, _):
        page = urllib.request.urlopen(address, timeout=120).read().decode()
    # The notebook ran, its output is a widget, and no cell failed.
    assert "application/vnd.jupyter.widget-view+json" in page
    assert "There was an error when executing cell" not in page
    predict = (
        "import lesionviz; from lesionviz.data.synthetic import synthetic_samples\n"
        "print(lesionviz.__file__); print(lesionviz.load().predict(synthetic_samples()[0]).source)"
    )
    said = subprocess.run([python, "-c", predict], check=True, cwd=tmp_path, capture_output=True, text=True).stdout
    assert said.splitlines()[0].startswith(str(environment))
    assert said.splitlines()[1] == "synthetic basal cell carcinoma"


def needed_by(names: Iterable[str]) -> set[str]:
    """Return the distributions that an installation of these brings along, all the way down, extras left out."""
    found: set[str] = set()
    todo = [canonicalize_name(name) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = [Requirement(line) for line in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:  # one for another system or Python
            continue
        todo += [
            canonicalize_name(one.name)
            for one in requirements
            if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return found


def test_whatever_the_package_imports_comes_with_its_dependencies() -> None:
    imported = set()
    for path in (ROOT / "lesionviz").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    foreign = imported - sys.stdlib_module_names - {"lesionviz"}
    assert {"torch", "voila"} <= foreign
    installed = metadata.packages_distributions()
    # What an extra for users brings is imported only where its files turn up, or its work is asked for.
    extras = PYPROJECT["optional-dependencies"]
    lines = [*PYPROJECT["dependencies"], *extras["dicom"], *extras["cluster"], *extras["parquet"]]
    brought = needed_by(Requirement(line).name for line in lines)
    for module in sorted(foreign):
        assert {canonicalize_name(name) for name in installed[module]} & brought, f"nothing declared brings {module}"
