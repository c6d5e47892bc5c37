"""What is shipped: wheel and source distribution, the wheel in an environment of its own, lists that must agree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tarfile
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


def test_the_version_is_the_packages_the_citations_and_the_changelogs_newest() -> None:
    import lesionviz

    assert lesionviz.__version__ == PYPROJECT["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", changelog, flags=re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert released[0] == (PYPROJECT["version"], str(citation["date-released"]))
    assert str(citation["version"]) == PYPROJECT["version"]
    assert sorted(released, key=lambda one: tuple(map(int, one[0].split("."))), reverse=True) == released


def test_the_citation_has_what_the_format_requires() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()  # these and the version of the format are required
    assert citation["authors"]
    assert all({"name"} <= author.keys() or {"family-names"} <= author.keys() for author in citation["authors"])
    assert (citation["type"], citation["license"]) == ("software", PYPROJECT["license"])


def test_pre_commit_and_the_workflows_run_nothing_but_make() -> None:
    """Whatever a server or a hook checks can be checked by a person with one word."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    assert [hook["entry"] for hook in hooks[0]["hooks"]] == ["make lint"]
    for name in ("ci", "release"):
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        commands = [step["run"].split() for step in steps if "run" in step]
        assert commands
        assert all(words[0] == "make" and words[1] in targets for words in commands), commands
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        assert yaml.safe_load(form.read_text(encoding="utf-8")), form


def test_the_tests_have_every_extra_that_users_can_add_from_the_same_version_on() -> None:
    extras = {
        name: {(one.name, str(one.specifier)) for one in map(Requirement, lines)}
        for name, lines in PYPROJECT["optional-dependencies"].items()
    }
    assert {"dicom", "cluster", "openvino", "parquet", "dev", "bench"} == extras.keys()
    for name in extras.keys() - {"dev", "bench"}:
        assert extras[name] <= extras["dev"], name


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel that is built from it."""
    out = tmp_path_factory.mktemp("packages")
    subprocess.run([sys.executable, "-m", "build", "--outdir", out, ROOT], check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def wheel(packages: Path) -> Path:
    return next(packages.glob("*.whl"))


IMAGES = (".jpg", ".jpeg", ".png", ".heic", ".dcm", ".tif", ".tiff", ".webp", ".avif", ".bmp")


@pytest.mark.wheel
@pytest.mark.once
def test_the_wheel_carries_what_it_needs_and_nothing_from_the_dataset(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        weights = archive.read("lesionviz/models/best_model.pth")
    assert weights == (ROOT / "lesionviz" / "models" / "best_model.pth").read_bytes()
    for needed in (
        "lesionviz/models/drawings.pth",
        "lesionviz/models/drawings.pth.sha256",
        "lesionviz/data/samples.json",
        "lesionviz/models/best_model.pth.sha256",
        "lesionviz/serving/lesion_explorer.ipynb",
        "lesionviz/serving/share/jupyter/voila/templates/lesionviz/index.html.j2",
        "lesionviz/serving/teacher/teacher.html",
        "lesionviz/widgets/case/case_view.js",
        "lesionviz/py.typed",
    ):
        assert needed in names
    # Whatever lies there belongs to the package: no test, no picture, no table, no page for those who work on it.
    assert {name.split("/")[0] for name in names} == {"lesionviz", f"lesionviz-{PYPROJECT['version']}.dist-info"}
    assert not [name for name in names if "ISIC_" in name or name.endswith((*IMAGES, ".csv", ".d.ts", ".md"))]
    kinds = {Path(name).suffix for name in names if name.startswith("lesionviz/")}
    assert kinds == {".py", ".js", ".css", ".html", ".j2", ".json", ".ipynb", ".pth", ".sha256", ".typed"}


@pytest.mark.wheel
@pytest.mark.once
def test_the_source_distribution_carries_tests_and_pages_and_no_image_but_the_screenshots(packages: Path) -> None:
    with tarfile.open(next(packages.glob("*.tar.gz"))) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    for needed in (
        "tests/test_packaging.py",
        "notebooks/01_train_and_evaluate.ipynb",
        "MODEL_CARD.md",
        "CHANGELOG.md",
    ):
        assert needed in names
    assert {"README.md", "LICENSE", "CITATION.cff", "Makefile", "pyproject.toml"} <= set(names)
    pictures = {name for name in names if name.endswith(IMAGES)}
    assert {name.rpartition("/")[0] for name in pictures} <= {"dashboards", "tests/benchmarks", "notebooks"}
    assert not [
        name for name in names if "ISIC_" in name or name.startswith((".git/", ".venv", "build", "runs", "shared"))
    ]


@pytest.mark.wheel
@pytest.mark.slow
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


@pytest.mark.heavy
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
