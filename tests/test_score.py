"""What a run over an archive looks at, and what its table and its page say."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image
from stand_in import OPTIONS, StandIn

import lesionviz
import lesionviz.archive.join
from lesionviz.answering import Answers
from lesionviz.archive.inputs import find_images
from lesionviz.archive.join import KINDS, Counts
from lesionviz.archive.manifest import Manifest, now, versions
from lesionviz.archive.openvino_network import PRECISIONS, OpenvinoNetwork, has_bfloat16
from lesionviz.archive.run import run
from lesionviz.archive.schema import COLUMNS, Row, part_of, schema
from lesionviz.archive.setup import LocalSetup
from lesionviz.archive.worker_side import check_versions
from lesionviz.checkpoint import BUNDLED, DRAWN, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.cli import main
from lesionviz.data.read import read_collection
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image
from lesionviz.machine import has, version
from lesionviz.prediction import Prediction
from lesionviz.preprocessing import Preprocessing

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn lesions, a blank picture that is refused, and a file that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, sample in enumerate(synthetic_samples()):
        sample.pixels.save(folder / f"drawn_{number}.jpg", quality=92)
    Image.new("RGB", (300, 200), (120, 120, 120)).save(folder / "blank.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled weights and refusal at 96 pixels, in a file."""
    bundled, path = Checkpoint.load(BUNDLED), tmp_path_factory.mktemp("model") / "small.pth"
    small = Checkpoint(bundled.state_dict, Preprocessing(size=96), bundled.temperature, bundled.refusal)
    small.save(path)
    return path


# --- which images ---------------------------------------------------------------------------------------------------------
def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_folders_patterns_and_files_become_one_list_in_a_fixed_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/2.jpg", "a/1.PNG", "a/deep/0.jpg", "a/notes.txt", "b/9.jpg", "b/8.jpeg", "c.tif")
    monkeypatch.chdir(tmp_path)
    found, notes = find_images(["b/*.jp*", "a", Path("c.tif"), "a/2.jpg"])
    assert [str(Path(path).relative_to(tmp_path)) for path in found] == [
        "b/8.jpeg",
        "b/9.jpg",
        "a/1.PNG",
        "a/2.jpg",
        "a/deep/0.jpg",
        "c.tif",
    ]
    assert "a: 1 files are no images and are passed over: .txt 1" in notes
    assert "1 images are named more than once and are looked at once" in notes


def test_a_table_names_images_beside_it_or_anywhere_and_a_missing_one_keeps_its_row(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.jpg", "elsewhere/2.jpg")
    table = tmp_path / "images" / "list.csv"
    pd.DataFrame({"Patient": [1, 2, 3, 4], "File": ["1.jpg", tmp_path / "elsewhere/2.jpg", "lost.jpg", None]}).to_csv(
        table, index=False
    )
    found, notes = find_images(table)
    assert found == [str(tmp_path / name) for name in ("images/1.jpg", "elsewhere/2.jpg", "images/lost.jpg")]
    assert notes == ["list.csv: 1 rows name no file and are passed over"]


def test_a_collection_gives_its_images_labelled_or_not(drawn_folder: Path) -> None:
    collection = read_collection(drawn_folder)
    found, _ = find_images([collection, drawn_folder])
    assert sorted(found) == sorted(map(str, drawn_folder.rglob("*.jpg")))
    assert collection.table["path"].isna().sum() == 2  # rows without a file are none


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere", "There is no file or folder nowhere"),
        ("empty", "The folder empty holds no images"),
        ("*.jpg", r"No image fits the pattern \*.jpg"),
        ("ids.csv", r"ids.csv has the columns lesion. Expected is a column of paths"),
        ("lost.csv", "None of the 1 files that lost.csv names in its column path is there"),
    ],
)
def test_what_holds_no_images_is_refused_in_a_sentence(
    source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("ids.csv").write_text("lesion\n7\n")
    Path("lost.csv").write_text("path\nlost.jpg\n")
    with pytest.raises(LesionvizError, match=words):
        find_images(source)


# --- the table ----------------------------------------------------------------------------------------------------------
def test_embeddings_are_as_wide_as_the_network_that_was_asked(pictures: Path, tmp_path: Path) -> None:
    scored = lesionviz.score(pictures, tmp_path, model=DRAWN, embeddings=True, progress=False)
    network = lesionviz.drawn_classifier()
    for row in parquet.read_table(scored.table).to_pylist():
        if not row["error"]:
            expected = network.examine(pictures / row["image"]).embedding
            assert row["embedding"] == pytest.approx(expected.tolist(), abs=1e-4)


def test_the_table_says_what_the_classifier_says_and_a_refused_picture_has_no_diagnosis(
    pictures: Path, model: Path, tmp_path: Path
) -> None:
    scored = lesionviz.score(
        pictures, tmp_path, model=model, embeddings=True, maps=True, batch_size=2, shard_size=4, progress=False
    )
    images = len(synthetic_samples()) + 2
    assert (scored.images, scored.done, scored.failed, scored.finished) == (images, images, 1, True)
    classifier = lesionviz.load(model)
    rows = {Path(row["image"]).name: row for row in parquet.read_table(scored.table).to_pylist()}
    assert list(rows) == sorted(rows)
    assert rows["blank.png"]["refused"]
    for name, row in rows.items():
        if name == "broken.jpg":
            assert "broken.jpg is damaged or incomplete" in row["error"]
            assert row["embedding"] is None
            assert row["maps"] is None
            continue
        case = classifier.examine(pictures / name)
        answer = case.prediction
        given, other = ("forced_", "") if answer.refusal else ("", "forced_")
        assert row[f"{given}diagnosis"] == answer.diagnosis
        assert [row[f"{given}{code}"] for code in CODES] == pytest.approx(
            list(answer.probabilities.values()), abs=1e-5
        )
        assert row[f"{given}confidence"] == pytest.approx(answer.confidence, abs=1e-5)
        assert [row[f"{other}{column}"] for column in ("diagnosis", "confidence", *CODES)] == [None] * 6
        assert (row["refusal"] or "", row["warning"] or "") == (answer.refusal, answer.warning)
        assert (row["refused"], row["warned"]) == (bool(answer.refusal), bool(answer.warning))
        assert row["unfamiliarity"] == pytest.approx(answer.unfamiliarity, abs=1e-4)
        assert tuple(row["notes"]) == answer.notes
        assert row["sha256"] == case.upload
        assert (row["width"], row["height"]) == case.size
        np.testing.assert_allclose(row["embedding"], case.embedding, atol=1e-4)
        maps = np.reshape(row["maps"], (4, 3, 3))
        np.testing.assert_allclose(maps, case.maps["gradcam", "features.8"], atol=1e-4)
        np.testing.assert_allclose(maps.sum(axis=(1, 2)) + case.biases, case.logits, atol=1e-3)


def test_every_field_says_what_it_means_and_the_table_what_it_was_made_with(
    pictures: Path, model: Path, tmp_path: Path
) -> None:
    scored = lesionviz.score(pictures, tmp_path, model=model, engine="torch", progress=False)
    table = parquet.read_schema(scored.table)
    assert table.names == list(COLUMNS)
    for name, (kind, words) in COLUMNS.items():
        field = table.field(name)
        assert field.metadata[b"description"].decode() == words
        assert str(field.type) == {"float32": "float", "list<string>": "list<element: string>"}.get(kind, kind)
    about = json.loads(table.metadata[b"lesionviz"])
    assert about["model_sha256"] == Checkpoint.load(model).file_sha256
    assert about["engine"] == "torch"
    assert about["precision"] == "float32"
    assert about["versions"]["torch"]
    assert "not a diagnosis" in about["notice"]
    frame = pd.read_parquet(tmp_path / "scores.parquet")
    assert frame["diagnosis"].isna().sum() == frame["refused"].fillna(True).sum()


@pytest.mark.once
def test_threads_change_no_byte_and_a_classifier_of_ones_own_is_taken_as_it_is(
    pictures: Path, model: Path, tmp_path: Path
) -> None:
    for threads in (1, 2):
        lesionviz.score(pictures, tmp_path / str(threads), model=model, threads=threads, batch_size=2, progress=False)
    with ThreadPoolExecutor(1) as later:  # what the run's threads were told must not stay behind
        assert later.submit(torch.get_num_threads).result() == torch.get_num_threads()
    tables = [(tmp_path / name / "scores.parquet").read_bytes() for name in ("1", "2")]
    assert tables[0] == tables[1]
    own = LesionClassifier(Checkpoint.load(model))
    lesionviz.score(pictures, tmp_path / "own", model=own, progress=False)
    ours, theirs = (pd.read_parquet(tmp_path / name / "scores.parquet") for name in ("own", "1"))
    assert ours["diagnosis"].equals(theirs["diagnosis"])
    with pytest.raises(LesionvizError, match="The classifier computes with float32, not with bfloat16"):
        lesionviz.score(pictures, tmp_path / "no", model=own, precision="bfloat16", progress=False)


def test_the_table_is_copied_by_row_groups_that_are_never_larger_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lesionviz.archive.join, "GROUP_ROWS", 10)
    touch(tmp_path, *(f"in/{number}.jpg" for number in range(30)))
    run(tmp_path / "in", tmp_path / "out", StandIn(), OPTIONS, progress=False)
    metadata = parquet.read_metadata(tmp_path / "out/scores.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [16, 14]


def test_reasons_with_numbers_in_them_are_counted_as_one_and_kinds_have_an_end() -> None:
    counts = Counts()
    answer = Prediction("NV", 0.9, dict.fromkeys(CODES, 0.25), "x", refusal="the picture has only {} × 31 pixels")
    rows = []
    for number in range(3 * KINDS):
        refusal = f"the picture has only {number} × 31 pixels" if number % 2 else f"reason {'x' * number}"
        told = Prediction(**{**{f: getattr(answer, f) for f in answer.__dataclass_fields__}, "refusal": refusal})
        rows.append(Row(number, "x.jpg", "0" * 64, (31, 31), told))
    counts.add(parquet.read_table(io.BytesIO(part_of(rows, schema({})))))
    assert counts.refusals["the picture has only … × … pixels"] == 3 * KINDS // 2
    assert len(counts.refusals) <= KINDS + 1
    assert counts.refusals.total() == 3 * KINDS


# --- the page and the command ---------------------------------------------------------------------------------------------
def test_the_page_needs_nothing_else_and_hostile_names_do_nothing_there(tmp_path: Path) -> None:
    touch(tmp_path, "in/<script>alert(1)</script>.jpg", "in/&lt;b&gt;.png")
    run(tmp_path / "in", tmp_path / "out", StandIn(), OPTIONS, progress=False)
    page = (tmp_path / "out/summary.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", page)
    assert "2 (100.0%) could not be used" in page


def test_the_command_writes_the_table_goes_on_and_says_what_is_in_the_way(
    pictures: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["score", str(pictures / "*.*"), "--out", str(tmp_path), "--model", str(model), "--batch-size", "3"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert f"Written to {tmp_path}: scores.parquet, summary.html" in said
    assert "1 of which could not be used" in said
    before = (tmp_path / "scores.parquet").read_bytes()
    assert main(command) == 1
    assert "holds a run already (1 of 1 parts)" in capsys.readouterr().err
    (tmp_path / "scores.parquet").unlink()
    assert main(["score", "--out", str(tmp_path), "--resume"]) == 0
    assert (tmp_path / "scores.parquet").read_bytes() == before
    shutil.copy(BUNDLED, tmp_path / "other.pth")
    assert main([*command[:-4], "--model", str(tmp_path / "other.pth"), "--resume"]) == 1
    assert "was begun with another model" in capsys.readouterr().err
    assert main(["score", "--out", str(tmp_path), "--resume", "--precision", "bfloat16"]) == 1
    assert "another precision (float32 then, bfloat16 now)" in capsys.readouterr().err
    assert main(["score", str(pictures), "--out", str(tmp_path / "x"), "--precision", "int4"]) == 1
    assert "The precision 'int4' is not known" in capsys.readouterr().err


def tables_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in [*(out / "parts").iterdir(), out / "scores.parquet"]}


@pytest.fixture(scope="module")
def many(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 images."""
    many = tmp_path_factory.mktemp("archive") / "many"
    many.mkdir()
    names = sorted(path.name for path in pictures.iterdir())
    for number in range(200):
        shutil.copy(pictures / names[number % len(names)], many / f"{number:03}-{names[number % len(names)]}")
    return many


@pytest.fixture(scope="module")
def whole(many: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tables of a run that nothing ends."""
    out = tmp_path_factory.mktemp("whole")
    assert lesionviz.score(many, out, model=model, shard_size=10, progress=False).finished
    return tables_of(out)


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_the_real_thing_goes_on_to_the_same_bytes_after_a_kill_and_after_ctrl_c(
    end: signal.Signals, many: Path, whole: dict[str, bytes], model: Path, tmp_path: Path
) -> None:
    script = (
        "import lesionviz, sys\n"
        "scored = lesionviz.score(sys.argv[1], sys.argv[2], model=sys.argv[3], shard_size=10)\n"
        "sys.exit(0 if scored.finished else 130)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(many), str(tmp_path), str(model)]) as process:
        while not (tmp_path / "parts/00002.parquet").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(end)
    assert process.returncode == (-signal.SIGKILL if end == signal.SIGKILL else 130)
    assert not (tmp_path / "scores.parquet").exists()
    assert lesionviz.score(many, tmp_path, model=model, shard_size=10, resume=True, progress=False).finished
    assert len(whole) == 21
    assert tables_of(tmp_path) == whole


def test_without_pyarrow_one_sentence_names_what_to_install(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["score", str(pictures), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "pip install 'lesionviz[parquet]'" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


# --- what computes --------------------------------------------------------------------------------------------------------
needs_openvino = pytest.mark.skipif(not has("openvino"), reason="OpenVINO is not installed")


@needs_openvino
def test_openvino_gives_the_rows_that_pytorch_gives(pictures: Path, model: Path, tmp_path: Path) -> None:
    for engine in ("openvino", "torch"):
        out = tmp_path / engine
        scored = lesionviz.score(
            pictures, out, model=model, engine=engine, embeddings=True, maps=True, batch_size=3, progress=False
        )
        assert scored.engine == engine
        assert f"<td>{engine}</td>" in scored.page.read_text()
    ours, theirs = (parquet.read_table(tmp_path / engine / "scores.parquet") for engine in ("openvino", "torch"))
    assert ours.column_names == theirs.column_names
    for name in ours.column_names:
        one, other = (table.column(name).to_pylist() for table in (ours, theirs))
        if "float" not in str(ours.schema.field(name).type):
            assert one == other, name
            continue
        assert [each is None for each in one] == [each is None for each in other], name
        for number, expected in zip(one, other, strict=True):
            np.testing.assert_allclose(number or 0, expected or 0, rtol=0, atol=1e-3, err_msg=name)
    about = json.loads(ours.schema.metadata[b"lesionviz"])
    assert about["engine"] == "openvino"
    assert about["versions"]["openvino"] == version("openvino")
    assert "openvino" not in json.loads(theirs.schema.metadata[b"lesionviz"])["versions"]


@needs_openvino
@pytest.mark.once
def test_a_run_with_openvino_goes_on_with_it_to_the_same_bytes_on_any_number_of_threads(
    pictures: Path, model: Path, tmp_path: Path
) -> None:
    def go_on(threads: int, **options: object) -> dict[str, bytes]:
        lesionviz.score(None, tmp_path, resume=True, threads=threads, progress=False, **options)  # type: ignore[arg-type]
        return {path.name: path.read_bytes() for path in tmp_path.rglob("*.parquet")}

    lesionviz.score(pictures, tmp_path, model=model, engine="openvino", batch_size=2, shard_size=2, progress=False)
    before = go_on(2)
    for name in ("parts/00000.parquet", "parts/00002.parquet", "scores.parquet"):
        (tmp_path / name).unlink()
    assert go_on(1) == before
    with pytest.raises(LesionvizError, match=r"begun with another engine \(openvino then, torch now\)"):
        go_on(1, engine="torch")


@needs_openvino
@pytest.mark.parametrize("precision", PRECISIONS)
def test_with_openvino_an_answer_hangs_on_no_other_picture_and_on_no_other_thread(
    precision: str, model: Path
) -> None:
    if precision == "bfloat16" and not has_bfloat16():
        pytest.skip("this processor does not compute in bfloat16")
    classifier = LesionClassifier(Checkpoint.load(model), folded=True)
    network = OpenvinoNetwork(classifier, precision)
    noise = np.random.default_rng(1).integers(0, 256, (6, 96, 96, 3), np.uint8)
    seen = [Image.fromarray(each) for each in noise]

    def numbers(pictures: list[Image.Image]) -> list[bytes]:
        outputs, maps = network.outputs_and_maps(pictures)
        each = (outputs.upright, outputs.embeddings, outputs.features, maps)
        return [b"".join(of[place].tobytes() for of in each) for place in range(len(pictures))]

    alone = [found for picture in seen for found in numbers([picture])]
    assert len(set(alone)) == 6
    assert numbers(seen) == alone
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(numbers, [seen, seen[::-1]] * 3)) == [alone, alone[::-1]] * 3


@needs_openvino
def test_another_network_than_the_classifiers_is_refused(
    pictures: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = OpenvinoNetwork.outputs_and_maps

    def wrong(self: OpenvinoNetwork, seen: list[Image.Image]) -> object:
        outputs, maps = right(self, seen)
        return outputs, maps + np.float32(0.1)

    monkeypatch.setattr(OpenvinoNetwork, "outputs_and_maps", wrong)
    with pytest.raises(LesionvizError, match=r"computes something else than PyTorch .* \(by up to \d+\.\d\d%\)"):
        lesionviz.score(pictures, tmp_path, model=model, engine="openvino", progress=False)


@needs_openvino
def test_openvino_in_bfloat16_rounds_and_is_refused_where_the_processor_has_none(
    pictures: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(precision: str) -> Any:
        how = {"engine": "openvino", "precision": precision, "embeddings": True, "progress": False}
        table = lesionviz.score(pictures, tmp_path / precision, model=model, **how).table  # type: ignore[arg-type]
        assert json.loads(parquet.read_schema(table).metadata[b"lesionviz"])["precision"] == precision
        rows = parquet.read_table(table).column("embedding").drop_null().to_pylist()
        return np.array(rows)

    if has_bfloat16():
        exact, rounded = scored("float32"), scored("bfloat16")
        away = np.abs(rounded - exact).max() / np.abs(exact).max()
        assert 2**-12 < away < 0.1  # bfloat16 has eight bits
    monkeypatch.setattr("lesionviz.archive.openvino_network.has_bfloat16", lambda: False)
    with pytest.raises(LesionvizError, match=r"The processor of .* does not compute in bfloat16.* Choose float32\."):
        lesionviz.score(
            pictures, tmp_path / "none", model=model, engine="openvino", precision="bfloat16", progress=False
        )


def test_only_bfloat16_which_rounds_anyway_resizes_fast_and_nearly(pictures: Path, model: Path) -> None:
    photograph = next(pictures.glob("drawn_*.jpg"))
    for precision in ("float32", "bfloat16"):
        setup = LocalSetup(model, precision, 1, "torch")
        seen = setup.engine(begun_with("torch", model, precision)).scorer.look(0, str(photograph)).seen
        preprocessing = Checkpoint.load(model).preprocessing
        resize = {"float32": preprocessing.resize, "bfloat16": preprocessing.resize_fast}[precision]
        np.testing.assert_array_equal(np.asarray(seen.pixels), np.asarray(resize(open_image(photograph).pixels)))


@needs_openvino
def test_openvino_tells_nobody_that_it_was_imported(tmp_path: Path) -> None:
    (tmp_path / "openvino_telemetry.py").write_text("print('told')")
    script = (
        "import sys; from lesionviz.archive.openvino_network import openvino\n"
        "sys.path.insert(0, sys.argv[1]); openvino(); print('loaded'); import openvino_telemetry"
    )
    told = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["loaded", "told"]


def test_without_openvino_pytorch_computes_and_openvino_by_name_is_missed_in_a_sentence(
    pictures: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    command = ["score", str(pictures), "--model", str(model), "--out"]
    assert main([*command, str(tmp_path / "named"), "--engine", "openvino"]) == 1
    error = capsys.readouterr().err
    assert "OpenVINO is not installed. Install it with: pip install 'lesionviz[openvino]'" in error
    assert error.count("\n") == 1
    assert main([*command, str(tmp_path / "auto")]) == 0
    assert re.search(r"this took .* with torch\.", capsys.readouterr().out)


def test_openvino_is_taken_where_it_is_and_can(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("setup", "openvino_network"):
        monkeypatch.setattr(f"lesionviz.archive.{room}.has", lambda module: True)
    own = LesionClassifier(Checkpoint.load(model))
    assert LocalSetup(model, None, 1).identity(None)["engine"] == "openvino"
    assert LocalSetup(model, None, 1, "torch").identity(None)["engine"] == "torch"
    for able, engine in [(True, "openvino"), (False, "torch")]:
        monkeypatch.setattr("lesionviz.archive.setup.has_bfloat16", lambda able=able: able)
        assert LocalSetup(model, "bfloat16", 1).identity(None)["engine"] == engine
    assert LocalSetup(own, None, 1).identity(None)["engine"] == "torch"
    for arguments, words in [
        (
            (own, None, 1, "openvino"),
            "A classifier computes with PyTorch where it was put: this one's engine is torch",
        ),
        ((own, None, 1, "cuda"), "this one's engine is torch"),
        ((model, None, 1, "onnx"), "The engine 'onnx' is not known. Choose from: auto, torch, openvino, cuda"),
    ]:
        with pytest.raises(LesionvizError, match=words):
            LocalSetup(*arguments)


def begun_with(engine: str, model: Path, precision: str = "float32") -> Manifest:
    """What a run of one image says of itself."""
    identity = LocalSetup(model, precision, 1, "torch").identity(None) | {"engine": engine}
    shape = {"images": 1, "images_sha256": "", "shard": 1, "batch": 1, "embeddings": False, "maps": False}
    return Manifest(**identity, **shape, versions=versions(engine), created=now(), notes=[])


def test_a_run_goes_on_with_its_own_engine_and_never_with_one_that_is_not_known(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("setup", "openvino_network"):
        monkeypatch.setattr(f"lesionviz.archive.{room}.has", lambda module: True)
    for engine, again in [("torch", "torch"), ("openvino", "openvino"), ("onnx", "openvino")]:
        recorded = begun_with(engine, model)
        assert LocalSetup(None, None, 1).identity(recorded)["engine"] == again
    with pytest.raises(LesionvizError, match=r"begun with another engine \(onnx then, openvino now\)"):
        recorded.check_same(begun_with("openvino", model), Path("out"))


def test_a_gpu_has_to_be_asked_for_and_one_that_is_not_there_is_missed_in_a_sentence(
    pictures: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert (
        main(["score", str(pictures), "--model", str(model), "--out", str(tmp_path / "out"), "--engine", "cuda"]) == 1
    )
    error = capsys.readouterr().err
    assert re.search(r"finds no GPU of NVIDIA on .* or choose the engine openvino or torch\.", error)
    assert error.count("\n") == 1
    with pytest.raises(LesionvizError, match="finds no GPU of NVIDIA"):
        check_versions(begun_with("cuda", model))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    check_versions(begun_with("cuda", model))
    assert LocalSetup(model, None, 1).identity(None)["engine"] != "cuda"
    recorded = begun_with("cuda", model)
    assert LocalSetup(None, None, 1).identity(recorded)["engine"] == "cuda"
    with pytest.raises(LesionvizError, match=r"begun with another engine \(cuda then, torch now\)"):
        recorded.check_same(begun_with("torch", model), Path("out"))


def test_a_run_names_the_device_of_its_classifier_and_goes_on_with_no_other(
    pictures: Path, model: Path, tmp_path: Path
) -> None:
    class Elsewhere(LesionClassifier):
        runs_with = ("xpu", "float32")  # type: ignore[assignment]

    checkpoint = Checkpoint.load(model)
    first = lesionviz.score(pictures, tmp_path, model=Elsewhere(checkpoint), progress=False)
    assert first.engine == "xpu"
    with pytest.raises(LesionvizError, match=r"begun with another engine \(xpu then, torch now\)"):
        lesionviz.score(None, tmp_path, model=LesionClassifier(checkpoint), resume=True, progress=False)


def test_a_gpu_is_given_more_images_at_a_time_unless_somebody_says_how_many(
    pictures: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(LocalSetup, "_load", lambda self, manifest: LesionClassifier(Checkpoint.load(model)))
    for engine, batch, expected in [("cuda", None, 64), ("cuda", 5, 5), ("torch", None, 8)]:
        out = tmp_path / f"{engine}-{batch}"
        lesionviz.score(pictures, out, model=model, engine=engine, batch_size=batch, progress=False)
        manifest = Manifest.load(out)
        assert manifest is not None
        assert (manifest.engine, manifest.batch) == (engine, expected)


def test_a_gpu_computes_exactly_during_a_run_and_as_before_after_it(
    pictures: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[bool, bool]] = []
    cudnn = torch.backends.cudnn

    class Watched(LesionClassifier):
        def answers(self, *given: Any) -> Answers:
            found.append((cudnn.allow_tf32, cudnn.deterministic))
            return super().answers(*given)

    for before in [(True, False), (False, True)]:
        monkeypatch.setattr(cudnn, "allow_tf32", before[0])
        monkeypatch.setattr(cudnn, "deterministic", before[1])
        lesionviz.score(pictures, tmp_path / str(before), model=Watched(Checkpoint.load(model)), progress=False)
        assert (cudnn.allow_tf32, cudnn.deterministic) == before
    assert set(found) == {(False, True)}


def test_a_worker_without_openvino_is_refused_in_a_run_with_it_and_welcome_in_others(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    check_versions(begun_with("torch", model))
    with pytest.raises(
        LesionvizError, match=r"A worker on .* lacks OpenVINO, which computes this run\. Install it there"
    ):
        check_versions(begun_with("openvino", model))
