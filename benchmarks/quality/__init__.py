"""Quality: what post-tuning does to the clips themselves, judged against a world whose every state is known."""
