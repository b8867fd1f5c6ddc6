"""Clips sampled in the course of a run: fixed first frames and prompts, fixed seeds, beside the base's own."""

from exvideo_train.samples.prepared import check_pictures as check_pictures
from exvideo_train.samples.prepared import prepare_samples as prepare_samples
from exvideo_train.samples.samples import Samples as Samples
