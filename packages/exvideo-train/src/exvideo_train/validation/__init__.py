"""Held-out loss, by noise level and by frame: measured, kept in the run's folder, and drawn."""

from exvideo_train.validation.evaluation import Evaluation as Evaluation
from exvideo_train.validation.held_out import Validation as Validation
from exvideo_train.validation.kept_base import evaluate_base as evaluate_base
from exvideo_train.validation.record import drop_records_after as drop_records_after
from exvideo_train.validation.record import write_record as write_record
