"""Cells of a sweep on a cluster: each is one piece of work there, whatever happens to it ends as one message.

The nodes must see checkpoints, pictures and the run folder under the paths of the process that runs the sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from intaglio.cluster import Lost, Needs, connected
from intaglio.progress import Silent
from intaglio.sweep.pool import Update
from intaglio.sweep.worker import Failed, Finished, Task, outcome


def run_on_cluster(tasks: Sequence[Task], memories: Sequence[int], on: str) -> Iterator[Update]:
    """Run every task on the cluster that `on` names and yield a message for each as it ends; see `pool.run_tasks`.

    A task asks for its threads as processors, for a GPU where torch is to compute on one, and for its memory. One whose
    node is lost is begun anew elsewhere and goes on from the state of its distillation.

    Raises: ClusterError.
    """
    needs = [
        Needs(float(task.threads), float(task.device.startswith("cuda")), memory)
        for task, memory in zip(tasks, memories, strict=True)
    ]
    with connected(on) as cluster:
        for index in range(len(tasks)):
            yield Update(index, None, 0.0)
        for done in cluster.map(run_alone, [_absolute(task) for task in tasks], needs):
            yield Update(done.index, _message(done.result), done.seconds)


def _absolute(task: Task) -> Task:
    """The task with paths that hold in any folder."""
    weights, pictures = replace(task.cell.weights, path=task.cell.weights.path.absolute()), task.cell.pictures
    if pictures is not None and pictures.folder is not None:
        pictures = replace(pictures, folder=pictures.folder.absolute())
    cell = replace(task.cell, weights=weights, pictures=pictures)
    return replace(task, cell=cell, data=task.data.absolute(), folder=task.folder.absolute())


def run_alone(task: Task) -> Finished | Failed:
    """One cell in this process."""
    return outcome(task, Silent())


def _message(result: Finished | Failed | Lost) -> Finished | Failed:
    return Failed(f"the cluster lost the cell: {result.reason}") if isinstance(result, Lost) else result
