"""``Compare`` driven by its methods and by what a browser (or a stranger) would send."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
import traitlets

from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS
from lesionviz.network import LAYERS
from lesionviz.widgets import Compare
from lesionviz.widgets.parts.background import Background

SAMPLE, OTHER = synthetic_samples()[2], synthetic_samples()[3]


@pytest.fixture
def compare(classifier: LesionClassifier) -> Compare:
    return Compare(classifier)


def send(compare: Compare, content: Any) -> None:
    """Deliver a message as the browser's side does."""
    compare._handle_custom_msg(content, [])


def test_a_picture_brings_its_case_and_all_maps_of_the_method(compare: Compare, classifier: LesionClassifier) -> None:
    compare.method = "hirescam"
    compare.show(SAMPLE)
    assert compare.case["source"] == SAMPLE.name
    assert compare.case["predicted"] == classifier.predict(SAMPLE).diagnosis
    assert list(compare.maps) == ["hirescam"]
    assert [layer["name"] for layer in compare.maps["hirescam"]["layers"]] == list(LAYERS)
    assert compare.message == ""


def test_a_second_picture_stands_beside_the_first_until_it_is_taken_away(compare: Compare) -> None:
    compare.show(SAMPLE)
    compare.add(OTHER)
    assert compare.mode == "two pictures"
    assert (compare.case["source"], compare.second["source"]) == (SAMPLE.name, OTHER.name)
    assert list(compare.second_maps) == ["gradcam"]
    compare.clear_second()
    assert (compare.second, compare.second_maps, compare.mode) == ({}, {}, "by class")
    assert compare.case["source"] == SAMPLE.name
    compare.add(OTHER)
    compare.show(OTHER)
    assert compare.second == {}


def test_while_a_picture_is_looked_at_its_name_is_known_for_a_page_that_loses_the_connection(
    classifier: LesionClassifier,
) -> None:
    async def look() -> list[tuple[str, str]]:
        compare, said = Compare(classifier), []
        compare.show(SAMPLE)
        said.append((compare.message, compare.waiting))
        while not compare.case:
            await asyncio.sleep(0.01)
        said.append((compare.message, compare.waiting))
        return said

    assert asyncio.run(look()) == [(f"Looking at {SAMPLE.name} …", SAMPLE.name), ("", "")]


def test_after_a_lost_connection_pictures_are_said_again_and_what_was_turned_is_not(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare.show(SAMPLE)
    said: list[Any] = []
    monkeypatch.setattr(compare, "send_state", said.append)
    monkeypatch.setattr(compare, "send", said.append)
    send(compare, {"kind": "say again"})
    places = ["case", "maps", "second", "second_maps", "other", "other_maps"]
    assert said == [[*places, "models", "message", "waiting"], {"kind": "said"}]


def test_a_second_picture_needs_a_first(compare: Compare) -> None:
    with pytest.raises(LesionvizError, match="Call show"):
        compare.add(OTHER)


def test_the_maps_of_another_method_are_a_look_up_for_both_pictures(
    compare: Compare, classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare.show(SAMPLE)
    compare.add(OTHER)
    runs: list[object] = []
    for name in ("examine", "complete", "explain"):
        monkeypatch.setattr(classifier, name, runs.append)
    send(compare, {"kind": "method", "key": "layercam"})
    send(compare, {"kind": "method", "key": "gradcam"})  # here already
    assert runs == []
    assert list(compare.maps) == list(compare.second_maps) == ["gradcam", "layercam"]


@pytest.mark.parametrize(
    "content",
    [None, 7, "method", [], {}, {"kind": "method"}, {"kind": "method", "key": ["gradcam"]}]
    + [{"kind": "method", "key": key} for key in ({}, None, "eigencam", "__class__", 3)],
)
def test_messages_that_make_no_sense_do_nothing(content: Any, compare: Compare) -> None:
    compare.show(SAMPLE)
    before = compare.maps
    send(compare, content)
    assert compare.maps is before
    assert compare.message == ""


def test_a_browser_cannot_lie_about_the_picture(compare: Compare) -> None:
    """Whatever is written into the synced traits, Python computes for the picture that it was given."""
    compare.show(SAMPLE)
    honest = compare.maps["gradcam"]["values"]
    compare.set_state({"case": {"size": "ever so large"}, "maps": {"gradcam": {"layers": [], "values": b""}}})
    send(compare, {"kind": "method", "key": "hirescam"})
    assert set(compare.maps) == {"gradcam", "hirescam"}
    assert compare.maps["gradcam"]["values"] == honest
    with pytest.raises(LesionvizError, match=r"features\.3 \(12 × 12 cells\)"):
        compare.layer = "features.9"


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("target", "melanom"),
        ("against", "melanom"),
        ("layer", "features.9"),
        ("method", "eigencam"),
        ("mode", "by magic"),
    ],
)
def test_unknown_choices_are_refused_and_change_nothing(trait: str, value: str, compare: Compare) -> None:
    before = getattr(compare, trait)
    with pytest.raises((LesionvizError, traitlets.TraitError), match=value):
        setattr(compare, trait, value)
    assert getattr(compare, trait) == before


def test_a_case_looked_at_elsewhere_is_shown_and_only_what_lacks_is_computed(
    compare: Compare, classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, completed = classifier.examine(SAMPLE), []
    monkeypatch.setattr(
        classifier, "complete", lambda case: completed.append(case) or LesionClassifier.complete(classifier, case)
    )
    compare.put(case, b"jpeg")
    assert (compare.case["photo"], compare.case["id"]) == (b"jpeg", case.identity)
    assert len(compare.maps["gradcam"]["layers"]) == 1
    for _ in range(3):
        send(compare, {"kind": "method", "key": "gradcam"})  # the browser wants the other layers
    assert len(compare.maps["gradcam"]["layers"]) == len(LAYERS)
    assert completed == [case]
    compare.put_second(classifier.examine(OTHER), b"jpeg")
    assert compare.second["source"] == OTHER.name
    assert compare.mode == "by class"  # to look at two pictures is the person's choice


def test_a_defect_is_one_plain_sentence(
    compare: Compare, classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("secret")

    monkeypatch.setattr(classifier, "complete", fail)
    compare.show(SAMPLE)
    assert compare.message.startswith(f"{SAMPLE.name} could not be examined")
    assert "secret" not in compare.message
    assert compare.case == {}


def test_a_picture_that_cannot_be_used_is_refused_at_once_and_the_old_one_stays(compare: Compare) -> None:
    compare.show(SAMPLE)
    with pytest.raises(LesionvizError, match="image"):
        compare.show(b"no picture")
    assert compare.case["source"] == SAMPLE.name
    assert np.frombuffer(compare.maps["gradcam"]["values"], "<i2").size


def test_of_two_pictures_in_quick_succession_the_last_one_wins(classifier: LesionClassifier) -> None:
    async def main() -> list[str]:
        compare = Compare(Background(classifier))
        arrived: list[str] = []
        compare.observe(lambda change: arrived.append(change.new.get("source", "")), "case")
        compare.show(SAMPLE)
        compare.show(OTHER)
        assert compare.message == f"Looking at {OTHER.name} …"
        for _ in range(600):
            await asyncio.sleep(0.05)
            if arrived:
                break
        await asyncio.sleep(0.2)
        return arrived

    assert asyncio.run(main()) == [OTHER.name]


def test_every_method_can_be_compared(compare: Compare) -> None:
    compare.show(SAMPLE)
    for key in METHODS:
        send(compare, {"kind": "method", "key": key})
    assert set(compare.maps) == set(METHODS)
