"""One step's batch: what to encode (each item once), which pairs count, and the encoder's input features."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from geovec_data.dataset import Dataset
from geovec_data.errors import GeoVecError
from geovec_data.ids import normalise_text
from geovec_data.records import Segments
from geovec_data.render import Codecs, parts, to_message, to_text
from geovec_train.batches.augment import Turns
from geovec_train.batches.data import TrainSet
from geovec_train.batches.pictures import PictureCache, turned
from geovec_train.batches.ragged import Ints
from geovec_train.batches.sampler import Schedule
from geovec_train.losses.mask_options import MaskOptions
from geovec_train.losses.masks import allowed, told_apart
from geovec_train.models.inputs import Pixels
from geovec_train.training.processes import Processes

Entry = tuple[str, int]  # instruction id, empty for a target; item number

SCENE_NEGATIVES = 4


class BatchMaker:
    """Makes the batch of any step, the same whenever it is asked.

    Args:
        dataset: where items and images are.
        train: the train split.
        schedule: which examples a step has.
        codecs: how boxes and coordinates become text.
        pictures: decoded images.
        preprocess: the model's, messages (or strings) → features.
        messages: whether the model takes messages; else it gets the plain text or picture, without instruction.
        augment: turn images where no box, coordinate or word of direction forbids it.
        augment_regions: turn images with boxes and words of direction too, and those with them.
        mask: what is known to be right by which key, and what it counts as.
        negatives_after: step from which on mined negatives are used.
        ranks: the processes that encode a batch together: each its share of the items.
    """

    def __init__(
        self,
        dataset: Dataset,
        train: TrainSet,
        schedule: Schedule,
        *,
        codecs: Codecs,
        pictures: PictureCache,
        preprocess: Callable[[list[Any]], dict[str, Any]],
        messages: bool,
        augment: bool,
        augment_regions: bool,
        mask: MaskOptions,
        negatives_after: int = 0,
        ranks: Processes = Processes(),
    ) -> None:
        self.dataset, self.train, self.schedule = dataset, train, schedule
        self._codecs, self._pictures, self._preprocess = codecs, pictures, preprocess
        self._messages, self._augment, self._mask = messages, augment, mask
        self._follow = augment and augment_regions
        self._negatives_after, self._ranks = negatives_after, ranks
        self._segments = lru_cache(maxsize=1 << 17)(self._read_segments)

    def _read_segments(self, item: int) -> Segments:
        return self.dataset.items.segments(self.train.items[item])

    def swap(self, train: TrainSet, schedule: Schedule) -> None:
        """Go on with the same split under other negatives; items may be numbered otherwise."""
        self.train, self.schedule = train, schedule
        self._segments.cache_clear()

    def make(self, step: int) -> dict[str, Any]:
        """Return ``features`` (a dictionary for each group of items), ``plan`` (see `MaskedInfoNCE`), ``examples``."""
        examples, epochs = self.schedule.examples(step)
        positives = np.array(
            [self.schedule.positive(int(e), int(n)) for e, n in zip(examples, epochs, strict=True)], dtype=np.int64
        )
        candidates = self._candidates(step, examples, positives)
        masks = allowed(self.train, examples, positives, candidates, self._mask)
        queries: list[Entry] = [(self.train.instruction[e], int(self.train.query[e])) for e in examples]
        targets: list[Entry] = [("", int(c)) for c in candidates]
        turns = self._turns(step, examples, positives, candidates)
        if self._follow:
            masks = told_apart(
                masks, *(self._words(turns, items) for items in (self.train.query[examples], candidates))
            )
        shares = self._shares(self._groups(list(dict.fromkeys([*queries, *targets]))))
        order = [entry for share in shares for group in share for entry in group]
        own = shares[self._ranks.rank]
        # one object for one picture, so that the encoder sees it once however many regions of it are asked for
        shown = (s.image for group in own for _, item in group for s in self._segments(item))
        pictures = self._pictures.get(dict.fromkeys(i for i in shown if i is not None))
        picture = cache(lambda image: turned(pictures[image], turns.of(image)))
        row = {entry: n for n, entry in enumerate(order)}
        return {
            "features": [self._preprocess([self._input(entry, turns, picture) for entry in group]) for group in own],
            "plan": {
                "shares": torch.tensor([sum(map(len, share)) for share in shares]),
                "query": torch.tensor([row[q] for q in queries]),
                "candidate": torch.tensor([row[t] for t in targets]),
                "positive": torch.from_numpy(masks.column),
                "forward": torch.from_numpy(masks.forward),
                "backward": torch.from_numpy(masks.backward),
                "forward_also": torch.from_numpy(masks.forward_also),
                "backward_also": torch.from_numpy(masks.backward_also),
            },
            "examples": [self.train.ids[e] for e in examples],
        }

    def _candidates(self, step: int, examples: Ints, positives: Ints) -> Ints:
        """Return the positives, the mined negatives, and for scene pools some further regions of the same scenes."""
        found = [positives]
        if step >= self._negatives_after:
            found += [self.train.negatives.row(int(e)) for e in examples]
        task = int(self.train.task[examples[0]])
        scenes = np.unique(self.train.image[examples])
        pools = [p for s in scenes if (p := self.train.pool.get((task, int(s)))) is not None]
        if pools:
            rng = self.schedule.rng("scene", step)
            each = max(1, min(SCENE_NEGATIVES, len(examples) // len(pools)))
            found += [rng.choice(pool, min(each, len(pool)), replace=False) for pool in pools]
        return np.array(list(dict.fromkeys(np.concatenate(found).tolist())), dtype=np.int64)

    def _groups(self, entries: list[Entry]) -> list[list[Entry]]:
        """Part items with an image from those without, so that short texts are not padded to an image's length."""
        text = [e for e in entries if self.train.item_image[e[1]] < 0]
        seen = [e for e in entries if self.train.item_image[e[1]] >= 0]
        return [group for group in (text, seen) if group]

    def _shares(self, groups: list[list[Entry]]) -> list[list[list[Entry]]]:
        """Part the items among the processes: of each group, neighbours to one, so that a picture is seen by few."""
        world = self._ranks.world
        cuts = [[len(group) * r // world for r in range(world + 1)] for group in groups]
        shares = [[g[c[r] : c[r + 1]] for g, c in zip(groups, cuts, strict=True)] for r in range(world)]
        shares = [[group for group in share if group] for share in shares]
        if not all(shares):
            raise GeoVecError(
                f"a batch has only {sum(map(len, groups))} different items for {world} processes: raise batch"
            )
        return shares

    def _turns(self, step: int, examples: Ints, positives: Ints, candidates: Ints) -> Turns:
        """Return the turns of the batch's pictures."""
        turns = Turns(self.dataset.images.size, self._segments, self._home, follow=self._follow)
        if self._augment:
            query, instruction = self.train.query[examples].tolist(), (self.train.instruction[e] for e in examples)
            said = (self.dataset.instruction(i) for i in instruction)
            every = np.unique(np.concatenate([query, candidates])).tolist()
            turns.draw(self.schedule.rng("turn", step), zip(query, positives.tolist(), said, strict=True), every)
        return turns

    def _home(self, item: int) -> str | None:
        image = int(self.train.item_keys.image[item])
        return None if image < 0 else self.train.images[image]

    def _words(self, turns: Turns, items: Ints) -> list[str]:
        """Return what items of text alone say under the turns; of others the id."""
        return [
            normalise_text(" ".join(s.text or "" for s in turns.show(n))) if self.train.item_image[n] < 0
            else self.train.items[n]
            for n in items.tolist()
        ]  # fmt: skip

    def _input(self, entry: Entry, turns: Turns, picture: Callable[[str], Pixels]) -> Any:
        instruction, item = entry
        rendered = parts(
            turns.show(item),
            instruction=self.dataset.instruction(instruction) if instruction and self._messages else None,
            codecs=self._codecs,
            size=turns.size,
        )
        if self._messages:
            return to_message(rendered, picture)
        if rendered[0][0] == "image":
            return Image.fromarray(picture(rendered[0][1]))
        return to_text(rendered)
