"""sentence-transformers' trainer with our batches and loss, whole-or-absent checkpoints, and exact resuming."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

from geovec_data.errors import GeoVecError, UserError
from geovec_train.batches.loader import Ahead
from geovec_train.losses.loss import MaskedInfoNCE
from geovec_train.models.load import save_model
from geovec_train.models.lora import adapters, load_adapters, save_adapters
from geovec_train.training.average import Average
from geovec_train.training.processes import Processes
from geovec_train.training.resume import CHECKPOINT, SETTINGS_FILE, checkpoints
from geovec_train.training.shards import Shards

BARREN = 10
LOSS_FILE = "loss.safetensors"
RUN_FILE = "run.sha256"
SCHEDULER_FILE = "scheduler.pt"  # as transformers calls it


class Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """Runs the steps.

    Args:
        model: the SentenceTransformer.
        loss: the loss, which holds the model.
        batches: gives ``{"features", "plan", "examples"}`` of each step.
        args: SentenceTransformerTrainingArguments; ``output_dir`` is where checkpoints go.
        keep: how many checkpoints stay.
        ranks: the processes of the run.
        average: the average of the weights.
        shards: divides the model among the processes; None: each has it whole.
    """

    def __init__(
        self,
        *,
        model: SentenceTransformer,
        loss: MaskedInfoNCE,
        batches: Ahead,
        args: Any,
        keep: int,
        ranks: Processes,
        average: Average,
        shards: Shards | None = None,
        **more: Any,
    ) -> None:
        super().__init__(model=model, args=args, loss=loss, **more)
        self._shards = shards
        if shards:  # accelerate would put them into DistributedDataParallel, and refuses to
            self.accelerator.prepare_model = partial(self.accelerator.prepare_model, evaluation_mode=True)
        self._batches, self._keep, self._ranks, self._average = batches, keep, ranks, average
        self._staging: str | None = None
        self._barren: int | None = 0  # batches so far, all without a negative

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave sentence-transformers' card out: the run writes its own."""

    def get_train_dataloader(self) -> Ahead:
        """Return the batches; they start at the step that the state has reached."""
        return self._batches

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """Keep weight decay from the temperature."""
        return [n for n in super().get_decay_parameter_names(model) if not n.endswith("log_scale")]

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any) -> Any:
        """Return the loss of a batch.

        Raises:
            GeoVecError: when it is not finite; the batch's example ids are then in ``bad_batch.json``.
            UserError: when the first batches have no negative at all.
        """
        self._look_for_negatives(inputs)
        self.loss.model = model  # as it is wrapped for several processes
        self.loss.log_scale.grad = None  # sentence-transformers 6.0 zeroes the gradients of the model alone
        loss = self.loss(inputs["features"], inputs["plan"])
        if not torch.isfinite(loss):
            value = float(loss.detach())
            file = Path(self.args.output_dir).parent / "bad_batch.json"
            step = self.state.global_step + 1
            bad = {"step": step, "loss": str(value), "examples": inputs["examples"]}
            file.write_text(json.dumps(bad, indent=1) + "\n", encoding="utf-8")
            raise GeoVecError(
                f"the loss became {value} at step {step}; the ids of that batch's {len(inputs['examples'])}"
                f" examples are in {file}. Try a smaller lr, or look at those examples"
            )
        return (loss, {}) if return_outputs else loss

    def _look_for_negatives(self, inputs: dict[str, Any]) -> None:
        if self._barren is None:
            return
        if bool((inputs["plan"]["forward"].sum(dim=1) > 1).any()):
            self._barren = None  # one is enough: scenes of a single region are no fault
            return
        self._barren += 1
        if self._barren == min(BARREN, self.args.max_steps):
            raise UserError(
                f"the first {self._barren} batches have no negative at all, so nothing is learnt: what is in a batch of"
                f" {len(inputs['examples'])} examples is right for all of them. Raise batch, or mask less (mask.…)"
            )

    def _prepare_for_training(self, *args: Any, **options: Any) -> Any:
        if self._shards:  # after the weights of a checkpoint are read, before there is an optimizer
            self._shards.divide()
        return super()._prepare_for_training(*args, **options)

    # -- checkpoints -------------------------------------------------------------------------------------------

    def _get_output_dir(self, trial: Any) -> str:
        return self._staging or str(self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write into a folder aside, then rename, so that a killed run leaves whole checkpoints only."""
        home = Path(self.args.output_dir)
        staging = home / ".writing"
        if self._ranks.first:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
        if self._shards:
            self._shards.gather()
        self._ranks.wait()
        name = f"{CHECKPOINT}-{self.state.global_step}"
        self._staging = str(staging)
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self._staging = None
        self._ranks.wait()
        if not self._ranks.first:
            return
        if (home / name).exists():
            shutil.rmtree(home / name)
        (staging / name).rename(home / name)
        staging.rmdir()
        for old in checkpoints(home)[: -self._keep]:
            shutil.rmtree(old)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        assert output_dir is not None
        if not self._ranks.first:
            return
        model = self._shards.whole if self._shards else self.model
        if adapters(model):
            save_adapters(model, Path(output_dir))
        else:
            save_model(model, Path(output_dir))
        own = {n: p.detach().clone() for n, p in self.loss.named_parameters() if not n.startswith("model.")}
        save_file(own, Path(output_dir) / LOSS_FILE)
        (Path(output_dir) / RUN_FILE).write_text(self._run(), encoding="utf-8")
        self._average.save(Path(output_dir))

    def _run(self) -> str:
        """Return what tells this run from others: a hash of what decides its weights."""
        return hashlib.sha256((Path(self.args.output_dir).parent / SETTINGS_FILE).read_bytes()).hexdigest()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        mark = Path(resume_from_checkpoint) / RUN_FILE
        if mark.is_file() and mark.read_text(encoding="utf-8") != self._run():
            raise UserError(
                f"{resume_from_checkpoint} is a checkpoint of another run. Delete {self.args.output_dir} to begin anew,"
                " or choose another out"
            )
        if adapters(self.model):
            load_adapters(self.model, Path(resume_from_checkpoint))
        else:
            super()._load_from_checkpoint(resume_from_checkpoint)
        own = load_file(Path(resume_from_checkpoint) / LOSS_FILE)
        self.loss.load_state_dict(own, strict=False)
        self._average.load(Path(resume_from_checkpoint))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self._shards:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        self._shards.save_optimizer(self.loss, self._bare_optimizer, Path(output_dir))
        if self._ranks.first:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self._shards or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        self._shards.load_optimizer(self.loss, self._bare_optimizer, Path(checkpoint))
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER_FILE, weights_only=True))

    @property
    def _bare_optimizer(self) -> torch.optim.Optimizer:
        """The optimizer without accelerate's wrapping."""
        return cast(torch.optim.Optimizer, getattr(self.optimizer, "optimizer", self.optimizer))
