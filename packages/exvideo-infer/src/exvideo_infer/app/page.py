"""The page: what it asks, what it shows while a clip is made, and the history."""

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from exvideo_infer.app.order import NUMBERS, jobs_of
from exvideo_infer.app.view import HISTORY, about, animation, error, history, notes, progress
from exvideo_infer.jobs.job import Job
from exvideo_infer.jobs.queue import JobQueue, QueueFullError, Status, Ticket
from exvideo_infer.jobs.run import clip_path

USERS = 40  # that are served at once; all their clips wait in one queue
LONGEST_PROMPT = 10000  # characters
WORDS_NAMED = 10  # of those that the model does not know
_WAKE_SECONDS = 0.5
CSS = """
.told { font-weight: 600; margin-bottom: 4px; } .wrong { color: #b91c1c; } .note { color: #92400e; }
.about { opacity: 0.7; }
progress { width: 100%; height: 10px; accent-color: #ea580c; }
.preview { width: 100%; max-height: 320px; object-fit: contain; border-radius: 8px; }
"""
LABELS = {
    "seconds": "Seconds",
    "steps": "Steps",
    "guidance_min": "Guidance, first frame",
    "guidance_max": "Guidance, last frame",
    "fps": "Frames a second",
    "motion_bucket_id": "Motion, 0 to 255",
    "height": "Height",
    "width": "Width",
}
WIDTHS: list[str | int] = ["30%", "14%", "9%", "10%", "8%", "11%", "18%"]  # of the history's columns
MAIN = 2  # fields that are shown; the rest are folded


class Page:
    """The page over one queue.

    Args:
        queue: of the model.
        model: in words, for the title.
        compares: there is an extension, which a clip can be made without.
    """

    def __init__(self, queue: JobQueue, model: str, compares: bool) -> None:
        self.queue, self.model, self.compares = queue, model, compares

    def build(self) -> gr.Blocks:
        """The page as gradio serves it; `CSS` is for its `launch`."""
        with gr.Blocks(analytics_enabled=False, title="ExVideo") as page:
            gr.Markdown("# ExVideo")
            gr.HTML(about(self.model))
            active = gr.State([])
            with gr.Row():
                with gr.Column():
                    fields = self._fields()
                    with gr.Row():
                        start = gr.Button("Generate", variant="primary", elem_id="generate")
                        stop = gr.Button("Cancel", elem_id="cancel")
                with gr.Column():
                    status = gr.HTML(elem_id="status")
                    preview = gr.HTML(elem_id="preview")
                    playing: dict[str, Any] = {"height": 320, "autoplay": True, "loop": True, "interactive": False}
                    with gr.Row():
                        video = gr.Video(label="Clip", elem_id="clip", **playing)
                        label = "Without the extension"
                        plain = gr.Video(label=label, elem_id="plain", visible=self.compares, **playing)
            table = gr.Dataframe(
                headers=list(HISTORY), datatype="str", label="History: choose a row to see its clip",
                elem_id="history", interactive=False, wrap=True, column_widths=WIDTHS,
            )  # fmt: skip
            shown = [status, preview, video, plain, active, table]
            private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
            gr.on([start.click, fields[0].submit], self.generate, fields, shown, **private)
            stop.click(self.cancel, active, None, **private)
            table.select(self.recall, None, [video, fields[0], fields[2]], **private)
            page.load(lambda: history(self.queue), None, table, **private)
        page.queue(default_concurrency_limit=USERS, api_open=False)
        return page

    def _fields(self) -> list[Any]:
        """Prompt, picture, seed, comparison, then `NUMBERS`."""
        prompt = gr.Textbox(label="Prompt", value="", lines=3, max_length=LONGEST_PROMPT, elem_id="prompt")
        image = gr.Image(label="First frame (optional)", type="filepath", height=200, elem_id="image")
        seed = gr.Textbox(label="Seed (empty: drawn)", value="", elem_id="seed")
        compare = gr.Checkbox(label="Also without the extension", visible=self.compares, elem_id="compare")
        with gr.Row():
            numbers = [_number(name) for name in NUMBERS[:MAIN]]
        with gr.Accordion("More", open=False):
            numbers += [_number(name) for name in NUMBERS[MAIN:]]
        return [prompt, image, seed, compare, *numbers]

    def generate(
        self, prompt: str, image: str | None, seed: str, compare: bool, *numbers: str
    ) -> Iterator[tuple[Any, ...]]:
        """Makes the clips of the fields, and shows them on the way: values of what `build` calls shown."""
        try:
            jobs = jobs_of(prompt, image, seed, numbers, compare and self.compares)
            tickets = self._submit(jobs)
        except (ValueError, QueueFullError) as refused:
            yield error(str(refused)), "", gr.skip(), gr.skip(), [], gr.skip()
            return
        names = [ticket.name for ticket in tickets]
        unread = notes(self._unread(prompt))
        yield unread, "", None, None, names, gr.skip()
        for ticket, job in zip(tickets, jobs, strict=True):
            while not ticket.status.is_final:
                moving = animation(ticket.preview, ticket.settings["num_frames"] / ticket.settings["fps"])
                yield progress(self.queue, ticket) + unread, moving, gr.skip(), gr.skip(), gr.skip(), gr.skip()
                self.queue.wait(ticket, _WAKE_SECONDS)
            path = clip_path(self.queue.folder, ticket.name)
            made = str(path) if ticket.status is Status.COMPLETED else gr.skip()
            both = (made, gr.skip()) if job.extended else (gr.skip(), made)
            yield progress(self.queue, ticket) + unread, "", *both, gr.skip(), history(self.queue)

    def cancel(self, names: list[str]) -> None:
        """Cancels the clips of one page."""
        for name in names:
            ticket = self.queue.get(name)
            if ticket is not None:
                self.queue.cancel(ticket)

    def recall(self, event: gr.SelectData) -> tuple[Any, ...]:
        """The clip, prompt and seed of the row of the history that was chosen."""
        ticket = self.queue.get(str(event.row_value[-1]))
        if ticket is None:
            return gr.skip(), gr.skip(), gr.skip()
        path = clip_path(self.queue.folder, ticket.name)
        return str(path), ticket.settings.get("prompt") or "", str(ticket.settings.get("seed", ""))

    def _submit(self, jobs: Sequence[Job]) -> list[Ticket]:
        tickets: list[Ticket] = []
        try:
            for job in jobs:
                tickets.append(self.queue.submit(job))
        except (ValueError, QueueFullError):
            for ticket in tickets:  # the pair is of use together alone
                self.queue.cancel(ticket)
            raise
        return tickets

    def _unread(self, prompt: str) -> list[str]:
        """Sentences on what of a prompt the model does not read."""
        from exvideo_infer.prompts import unknown_words, words_beyond_end

        tokenizer = getattr(self.queue.maker.pipeline, "tokenizer", None)
        if tokenizer is None or not prompt.strip():
            return []
        unknown, beyond = unknown_words(tokenizer, [prompt]), words_beyond_end(tokenizer, prompt)
        named = ", ".join(unknown[:WORDS_NAMED]) + (" ..." if len(unknown) > WORDS_NAMED else "")
        said = [f"The model does not know: {named}"] if unknown else []
        if beyond:
            said.append(f"The model does not read the last {len(beyond)} characters: its prompts are shorter.")
        return said


def _number(name: str) -> gr.Textbox:
    # Of text: gradio's field of numbers gives 0 where it is empty.
    return gr.Textbox(label=LABELS[name], value="", placeholder="default", elem_id=name)
