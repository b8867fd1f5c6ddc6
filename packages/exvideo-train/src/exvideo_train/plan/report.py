"""A plan in words, for a person."""

from exvideo_train.data.footage import Footage
from exvideo_train.data.report import told_buckets
from exvideo_train.order import ClipOrder
from exvideo_train.plan.plan import Plan

_GIB = 2**30


def as_text(plan: Plan) -> str:
    """A few lines a subject: data, parameters, memory, disk, time, and the way out where it does not fit."""
    lines = [_data(part) for part in plan.footage]
    several = bool(told_buckets(plan.footage[0]))
    share = plan.trained / (plan.trained + plan.frozen)
    lines.append(f"Parameters: {plan.trained:,} train ({share:.0%}), {plan.frozen:,} are frozen.")
    lines += _memory(plan)
    if several:
        lines.append(f"  of clips of {plan.bucket}, the largest")
    lines.append(_disk(plan))
    lines.append(_time(plan, f" in the largest bucket, {plan.bucket}" if several and plan.probe else ""))
    config, optimizer = plan.config, plan.config.optimizer
    order = ClipOrder(plan.footage[0].clips, config.seed, optimizer.batch_size)
    lines += order.notes(optimizer.steps, config.extension.num_frames)
    if not plan.memory_fits:
        lines += _way_out(plan)
    if not plan.disk_fits:
        lines.append("The disk has too little room: name others as output and data.cache, or lower checkpoint.keep.")
    return "\n".join(lines)


def _data(part: Footage) -> str:
    noted = sum(bool(file.notes) for file in part.files.values())
    buckets = told_buckets(part)
    gone = len(part.skips) + len({left_out.file for left_out in part.left_out})
    return (
        f"{part.source.key}: {len(part.clips):,} clips of {len({clip.path for clip in part.clips}):,} files; "
        f"{noted} unusual, {gone} left out or short.{f' {buckets}.' if buckets else ''}"
    )


def _memory(plan: Plan) -> list[str]:
    each = f"Memory of each of {plan.processes} processes" if plan.processes > 1 else "Memory"
    verdict = "fits" if plan.memory_fits else "DOES NOT FIT"
    head = f"{each}: {_gib(plan.memory.peak)} at most, of {_gib(plan.capacity)} ({plan.device}): {verdict}."
    lines = [head] + [f"  {name:14} {_gib(size)}" for name, size in plan.memory.parts.items() if size]
    lines += [f"  {name:14} {_gib(size)} in main memory" for name, size in plan.memory.offloaded.items() if size]
    if plan.probe is not None:
        lines.append(f"  measured over three steps: {_gib(plan.probe.peak)}")
    return lines


def _disk(plan: Plan) -> str:
    free = ", ".join(f"{_gib(size)} free for {place}" for place, size in plan.free.items())
    return (
        f"Disk: {_gib(plan.cache)} of encoded clips; {plan.checkpoints} checkpoints of {_gib(plan.checkpoint_bytes)}; "
        f"{free}."
    )


def _time(plan: Plan, of: str) -> str:
    optimizer = plan.config.optimizer
    head = f"Steps: {plan.steps_done} of {optimizer.steps}, {optimizer.batch_size} clips each"
    if plan.seconds_per_step is None or plan.seconds_left is None:
        return f"{head}; --probe measures how long they take."
    most = " at most" if of else ""
    left = f"{_duration(plan.seconds_left)} to go{most}, evaluations apart"
    return f"{head}, {plan.seconds_per_step:.3g} s each{of}: {left}."


def _way_out(plan: Plan) -> list[str]:
    if plan.changes is None:
        return ["No change of settings makes it fit: take shorter or smaller clips, more processes, or more memory."]
    return ["It fits with:"] + [f"  {key}  ({cost})" for key, cost in plan.changes]


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f} GiB" if size >= 0.1 * _GIB else f"{size / 2**20:.1f} MiB"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
