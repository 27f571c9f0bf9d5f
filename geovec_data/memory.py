"""Too little memory, whichever allocator says it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from geovec_data.errors import ResourceFault
from geovec_data.mining.model_folder import first_line

# torch has a class of error for GPUs alone: of the CPU's allocator, and of CUDA's own calls, only the words tell
_WORDS = ("can't allocate memory", "out of memory", "not enough memory")


class MemoryFault(ResourceFault):
    """A batch of the encoder did not fit; who gave the batch its size knows which option makes it smaller."""


def lacks_memory(error: BaseException) -> bool:
    """Tell whether it is for want of memory that torch, numpy or Python raised this."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    import torch

    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _WORDS)


@contextmanager
def fitting(device: str) -> Iterator[None]:
    """Prepare or embed a batch inside.

    Raises:
        MemoryFault: when it does not fit, in the words of `geovec-data mine` and `geovec-eval`.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        raise MemoryFault(
            f"{device} has too little memory for a batch ({first_line(error)}); run again with a smaller batch=…:"
            " vectors that were saved by then are kept"
        ) from error
