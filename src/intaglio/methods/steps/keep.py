"""A step that is kept only where it helps: tried on a copy of the model, judged on crops that it has not seen.

A correction that is right for each layer can still be wrong for the output, and learning on few crops can end behind
where it began; both were measured (docs/methods/engrave.md).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import nn

from intaglio import ranks
from intaglio.distill.teacher import Teacher
from intaglio.methods.base import Job, Step

JUDGING_SEED = 2
"""Added to the seed of the crops that judge, so that they are neither those of bounds nor those of distillation."""


@dataclass(frozen=True)
class KeepIfCloser:
    """Run `step`, and take it back unless the output comes closer to the float network's.

    Closer is a smaller mean squared difference on `patches` fresh crops of `patch_size` pixels of the calibration
    pictures. Adds the metrics ``NAME_kept``, 1 or 0, and ``NAME_error_before`` and ``NAME_error_after``, in units of
    the network's output squared, to those of the step.
    """

    name: str
    step: Step
    patches: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Edit the job's model, or leave it as it was."""
        crops = job.patches(self.patches, self.patch_size, job.seed + JUDGING_SEED)
        teacher = Teacher(job.teacher, crops, ())
        before = output_error(job.model, teacher)
        tried = copy.deepcopy(job.model)
        self.step(replace(job, model=tried))
        after = output_error(tried, teacher)
        if after < before:
            job.model.network = tried.network
        job.metrics[f"{self.name}_kept"] = float(after < before)
        job.metrics[f"{self.name}_error_before"], job.metrics[f"{self.name}_error_after"] = before, after


@torch.no_grad()
def output_error(student: nn.Module, teacher: Teacher) -> float:
    """Mean squared difference of a network's outputs to the teacher's targets on all its patches, one at a time."""
    error = torch.zeros((), dtype=torch.float64, device=teacher.patches.device)
    for index in range(len(teacher.patches))[ranks.own_slice(len(teacher.patches))]:
        target = teacher.targets(torch.tensor([index])).output
        error += (student(teacher.patches[index : index + 1]) - target).square().mean()
    return float(ranks.total(error)) / len(teacher.patches)
