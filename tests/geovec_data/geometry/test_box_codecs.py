from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from geovec_data.errors import UserError
from geovec_data.geometry import boxes
from geovec_data.geometry.box_codecs import box_codec
from geovec_data.geometry.resizing import Resizing
from geovec_data.records import Box
from tests.fixtures.drawn_boxes import boxes_in_images

CODECS = [
    "qwen2vl", "qwen2_5vl", "qwen2_5vl:784-12544", "qwen3vl", "pixels", "normalized", "normalized:1", "normalized:6"
]  # fmt: skip


@pytest.mark.parametrize("name", CODECS)
@given(boxes_in_images())
@example(((0.0, 0.0, 1e-9, 1e-9), 800, 800))
@example(((799.9999, 799.9999, 800.0, 800.0), 800, 800))
@example(((1.2, 0.4, 2.0, 1.2), 800, 800))  # one cell wide, both ends half way between two lines
@example(((3.0, 0.0, 4.0, 1.0), 4, 1))
def test_decoding_restores_the_box_within_the_stated_bound(name: str, case: tuple[Box, int, int]) -> None:
    box, w, h = case
    codec = box_codec(name)
    back = codec.decode(codec.encode(box, w, h), w, h)
    assert boxes.is_box(back)
    assert boxes.contains((0, 0, w, h), back)
    for axis, (bound, size) in enumerate(zip(codec.error_bound(w, h), (w, h), strict=True)):
        wide = box[axis + 2] - box[axis] >= bound
        for i in (axis, axis + 2):
            assert abs(back[i] - box[i]) <= (0.5 if wide else 1.0) * bound + 1e-9 * size


@pytest.mark.parametrize("name", CODECS)
@given(boxes_in_images())
def test_encoding_a_decoded_box_gives_the_same_text(name: str, case: tuple[Box, int, int]) -> None:
    box, w, h = case
    codec = box_codec(name)
    text = codec.encode(box, w, h)
    assert codec.encode(codec.decode(text, w, h), w, h) == text


def test_qwen2vl_agrees_with_the_familys_published_examples() -> None:
    codec = box_codec("qwen2vl")
    # QwenLM/Qwen3-VL, qwen-vl-finetune/tools/process_bbox.ipynb: a bowl on COCO_train2014_000000580957 (640 × 428)
    assert codec.encode((146, 137, 615, 415), 640, 428) == "<|box_start|>(228,320),(961,970)<|box_end|>"
    # arXiv 2409.12191, "Referring Grounding"; the report prints a blank before the end token
    text = "<|object_ref_start|>the eyes on a giraffe<|object_ref_end|><|box_start|>(176,106),(232,160) <|box_end|>"
    assert codec.decode(text, 1000, 500) == (176.0, 53.0, 232.0, 80.0)


def test_the_other_codecs_write_what_they_promise() -> None:
    box = (12.4, 50.0, 100.6, 256.0)
    assert box_codec("pixels").encode(box, 256, 256) == "[12, 50, 101, 256]"
    assert box_codec("normalized").encode(box, 256, 256) == "[0.048, 0.195, 0.393, 1.000]"
    assert box_codec("normalized:1").decode("[0.0, 0.2, 0.4, 1.0]", 256, 100) == (0.0, 20.0, 102.4, 100.0)
    assert box_codec("normalized").error_bound(800, 400) == (0.8, 0.4)


def test_a_box_that_sticks_out_is_clipped_and_one_outside_is_refused() -> None:
    codec = box_codec("pixels")
    assert codec.encode((-37, -1, 857, 20), 800, 800) == "[0, 0, 800, 20]"
    for bad in [(800, 0, 900, 10), (10, 10, 10, 20), (20, 0, 10, 10), (0, 0, float("nan"), 5)]:
        with pytest.raises(ValueError, match="no part inside"):
            codec.encode(bad, 800, 800)


@pytest.mark.parametrize("text", ["", "(1,2),(3,4)", "[1, 2, 3]", "[5, 5, 5, 9]", "[9, 0, 3, 9]", "[0, 0, 801, 9]"])
def test_text_that_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected one box|empty, inverted or outside"):
        box_codec("pixels").decode(text, 800, 800)


def test_two_boxes_in_one_text_are_refused() -> None:
    with pytest.raises(ValueError, match="found 2"):
        box_codec("pixels").decode("[0, 0, 1, 1] [2, 2, 3, 3]", 8, 8)


def test_an_unknown_codec_is_the_users_mistake_and_the_nearest_is_named() -> None:
    with pytest.raises(UserError, match="Did you mean 'qwen2vl'"):
        box_codec("qwen2-vl")
    with pytest.raises(UserError, match="1 to 9"):
        box_codec("normalized:12")


def test_qwen2_5vl_and_qwen3vl_agree_with_their_published_examples() -> None:
    # QwenLM/Qwen3-VL, qwen-vl-finetune/tools/process_bbox.ipynb: the image of 640 × 428 becomes 644 × 420
    codec = box_codec("qwen2_5vl")
    assert codec.name == "qwen2_5vl:3136-1003520"
    assert codec.encode((146, 137, 615, 415), 640, 428) == '{"bbox_2d": [147, 134, 619, 407]}'
    assert codec.encode((0, 0, 800, 800), 800, 800) == '{"bbox_2d": [0, 0, 812, 812]}'
    assert box_codec("qwen2_5vl:784-313600").encode((0, 0, 800, 800), 800, 800) == '{"bbox_2d": [0, 0, 560, 560]}'
    # the same notebook's relative coordinates, in the form of cookbooks/2d_grounding.ipynb
    assert box_codec("qwen3vl").encode((146, 137, 615, 415), 640, 428) == '{"bbox_2d": [228, 320, 961, 970]}'
    answer = '```json\n[\n\t{"bbox_2d": [228, 320, 961, 970], "label": "bowl"}\n]\n```'
    assert box_codec("qwen3vl").decode(answer, 1000, 1000) == (228, 320, 961, 970)


@pytest.mark.parametrize("name", ["qwen2_5vl:", "qwen2_5vl:9", "qwen2_5vl:0-5", "qwen2_5vl:900-100", "qwen2_5vl:1-2-3"])
def test_limits_that_are_none_are_the_users_mistake(name: str) -> None:
    with pytest.raises(UserError, match="fewest and the most pixels, as in qwen2_5vl:3136-1003520"):
        box_codec(name)


@given(
    st.integers(1, 20_000),
    st.integers(1, 20_000),
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.sampled_from([28, 32]),
)
def test_sizes_are_those_of_the_image_processors(width: int, height: int, least: int, more: int, factor: int) -> None:
    if max(width, height) > 200 * min(width, height):
        return  # the processors refuse it
    limits = Resizing(least * factor**2, (least + more) * factor**2, factor)
    wide, high = limits.size(width, height)
    assert (high, wide) == smart_resize(height, width, factor, limits.least, limits.most)
    assert wide % factor == high % factor == 0
