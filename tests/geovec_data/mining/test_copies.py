from __future__ import annotations

from typing import Any

import pytest
import torch

from geovec_data.mining.copies import Copies


class Model(torch.nn.Linear):
    def __init__(self) -> None:
        super().__init__(3, 3)
        self.tokenizer = {"padding": False}


class Rigid(Model):
    def __deepcopy__(self, _: Any) -> Any:
        raise TypeError("cannot pickle a lock")


def test_copies_share_weights_and_nothing_else() -> None:
    model = Model()
    copies = Copies(model)
    with copies.one() as first, copies.one() as second:
        assert first is model
        assert second is not model
        assert second.weight is model.weight
        assert second.tokenizer is not model.tokenizer
    with copies.one() as a, copies.one() as b:  # what is free is lent again
        assert {id(a), id(b)} == {id(first), id(second)}


def test_a_model_that_cannot_be_copied_is_lent_to_one_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    import threading

    copies, order = Copies(Rigid()), []

    def second() -> None:
        with copies.one():
            order.append("second")

    with copies.one():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    with copies.one():
        pass
    assert capsys.readouterr().err == (
        "the encoder cannot be copied (cannot pickle a lock): one thread prepares its batches\n"
    )
