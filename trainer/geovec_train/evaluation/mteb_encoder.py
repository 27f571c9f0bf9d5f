"""Any SentenceTransformer as an encoder of `mteb`: items are shown to it as in training and in `geovec-eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from geovec_train.evaluation.mteb_tasks import needs_mteb


def mteb_encoder(model: str | Path, *, device: str | None = None) -> Any:
    """Return an encoder for `mteb.evaluate`.

    mteb's own wrapper puts a prompt before a text without a blank, and gives those prompts alone whose task is in
    mteb's registry. This one makes one message of the task's instruction, the picture and the text, as
    `geovec_data.render` does; an encoder that takes no messages gets the plain picture or text. Results are kept by the
    content of the model's files, so that a model trained anew in the same folder is evaluated anew.

    Args:
        model: folder of a SentenceTransformer, or a hub name.
        device: ``cpu``, ``cuda``, …; default: the best there is.

    Raises:
        UserError: when mteb is not installed, or the model is not found or does not load.
    """
    needs_mteb()
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ModelMeta
    from mteb.similarity_functions import cos_sim

    from geovec_data.mining.model_folder import find, fingerprint
    from geovec_train.models.load import load

    folder = find(str(model), "model")

    class GeoVecEncoder(AbsEncoder):  # type: ignore[misc]
        """Gives vectors of mteb's rows."""

        def __init__(self) -> None:
            self.model = load(folder, device=device)
            takes = [m for m in ("text", "image") if m in self.model.modalities]
            self.messages = "message" in self.model.modalities
            self.mteb_model_meta = ModelMeta.create_empty(
                overwrites={
                    "name": f"geovec/{Path(model).name}",
                    "revision": fingerprint(folder, "model")[:32],
                    "modalities": takes,
                    "similarity_fn_name": "cosine",
                }
            )

        def encode(
            self, inputs: Any, *, task_metadata: Any, prompt_type: Any = None, **options: Any
        ) -> np.ndarray[Any, Any]:
            """Embed the rows of a data loader, (rows, dimensions)."""
            query = prompt_type is not None and prompt_type.value == "query"
            instruction = (task_metadata.prompt or {}).get("query") if query else None
            known = {k: v for k, v in options.items() if k in ("batch_size", "show_progress_bar")}
            known["show_progress_bar"] = False  # mteb shows its own
            encode = self.model.encode_query if query else self.model.encode_document
            vectors = []
            for batch in inputs:
                columns = {k: batch[k] for k in ("image", "text") if k in batch}
                rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
                vectors.append(encode([self._form(row, instruction) for row in rows], **known))
            return np.concatenate(vectors)

        def _form(self, row: dict[str, Any], instruction: str | None) -> Any:
            if not self.messages:
                return row.get("image") or row["text"]
            content = [{"type": "text", "text": instruction}] if instruction else []
            content += [{"type": kind, kind: value} for kind, value in row.items() if kind == "image" or value]
            return [{"role": "user", "content": content}]

        def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
            """Return cosines, whatever the model calls similar."""
            return cos_sim(embeddings1, embeddings2)

    return GeoVecEncoder()
