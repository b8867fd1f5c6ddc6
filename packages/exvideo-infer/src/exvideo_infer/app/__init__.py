"""exvideo-app: a web page that makes clips. gradio is known to this room alone."""
