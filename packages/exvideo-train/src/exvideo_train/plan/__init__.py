"""A run told before it is paid for: its data, parameters, memory, disk and time, and the way to make it fit."""

from exvideo_train.plan.dry_run import Question as Question
from exvideo_train.plan.dry_run import dry_run as dry_run
