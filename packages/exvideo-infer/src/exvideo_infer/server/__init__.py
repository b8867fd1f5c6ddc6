"""exvideo-serve: clips over HTTP. FastAPI and uvicorn are known to this room alone."""
