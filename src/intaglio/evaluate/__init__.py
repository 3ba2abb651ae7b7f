"""Measuring: test sets, PSNR-Y and SSIM-Y by one protocol, cost formulas, records with provenance.

Numpy only; anything that maps a picture to a larger one can be evaluated.
"""

from intaglio._system import usable_cores
from intaglio.evaluate.cost import compression_ratio, speedup_ratio, storage_ratio
from intaglio.evaluate.datasets import KNOWN_DATASETS, Dataset, Pair, canonical_name, load_dataset
from intaglio.evaluate.evaluate import Evaluation, Score, evaluate
from intaglio.evaluate.machine import Machine, current_machine, current_versions
from intaglio.evaluate.metrics import psnr_y, rgb_to_y, ssim_y
from intaglio.evaluate.protocol import PROTOCOL, protocol_text
from intaglio.evaluate.records import Calibration, Record, append_records, known_records, learning_steps, read_records
from intaglio.evaluate.upscaler import BicubicUpscaler, SelfEnsemble, Upscaler, self_ensemble

__all__ = [
    "KNOWN_DATASETS",
    "PROTOCOL",
    "BicubicUpscaler",
    "Calibration",
    "Dataset",
    "Evaluation",
    "Machine",
    "Pair",
    "Record",
    "Score",
    "SelfEnsemble",
    "Upscaler",
    "append_records",
    "canonical_name",
    "compression_ratio",
    "current_machine",
    "current_versions",
    "evaluate",
    "known_records",
    "learning_steps",
    "load_dataset",
    "protocol_text",
    "psnr_y",
    "read_records",
    "rgb_to_y",
    "self_ensemble",
    "speedup_ratio",
    "ssim_y",
    "storage_ratio",
    "usable_cores",
]
