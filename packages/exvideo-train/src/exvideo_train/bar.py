"""A progress bar that writes nothing where it is switched off."""

from rich.progress import Progress


class Bar(Progress):
    """rich's, whose versions before 14.3 write an empty line at the end of one that is `disable`d."""

    def stop(self) -> None:
        """Ends the view."""
        if not self.disable:
            super().stop()
