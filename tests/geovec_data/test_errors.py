"""What the machine refuses is told in one message, whichever library met it; other faults keep their traceback."""

from __future__ import annotations

import errno

import pytest

from geovec_data.cli import guarded


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/a/log.jsonl"), 1, "no space left"),
        (
            RuntimeError("[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file"),
            1,
            "room",
        ),
        (ValueError("Error while serializing: I/O error: No space left on device (os error 28)"), 1, "no space left"),
        (OSError(errno.EROFS, "Read-only file system", "runs/a"), 2, "runs/a: Read-only file system"),
        (FileExistsError(errno.EEXIST, "File exists", "/a/file"), 2, "/a/file: File exists"),
    ],
)
def test_a_refusal_is_one_message(error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> dict[str, object]:
        raise error

    assert guarded(command, "geovec-train") == code
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_another_fault_is_not_hidden() -> None:
    def command() -> dict[str, object]:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "a")

    with pytest.raises(FileNotFoundError):
        guarded(command, "geovec-data")
