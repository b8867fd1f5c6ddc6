"""The server's verbs: create, list, look at, cancel, delete and fetch clips. Every error is JSON with one sentence."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException as RoutingError

from exvideo_infer.jobs.queue import JobQueue, QueueFullError, Status, Ticket
from exvideo_infer.jobs.run import clip_path
from exvideo_infer.server.requests import read_job

RETRY_SECONDS = 5
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_LISTED = 100


def create_app(queue: JobQueue, token: str | None) -> FastAPI:
    """The application.

    Args:
        queue: of the model; its limits hold for requests, too.
        token: that each request needs as `Authorization: Bearer TOKEN`. None for a server that is reached from this
            machine alone; it answers only to the names of this machine, so that no page of another site can ask it.
    """
    app = FastAPI(title="ExVideo", docs_url=None, redoc_url=None, openapi_url=None)
    _guard(app, token)
    _add_errors(app)

    def find(name: str) -> Ticket:
        ticket = queue.get(name)
        if ticket is None:
            raise HTTPException(404, f"There is no video {name!r}: list them by GET /v1/videos.")
        return ticket

    @app.post("/v1/videos")
    async def create(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "The body is of another type: send JSON, as Content-Type: application/json.")
        body = await _read(request, queue.limits.body_bytes)

        def submit() -> Ticket:
            job, upload = read_job(body, queue.folder)
            return queue.submit(job, upload)

        try:
            ticket = await run_in_threadpool(submit)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        except QueueFullError as error:
            raise HTTPException(429, str(error), {"Retry-After": str(RETRY_SECONDS)}) from error
        return JSONResponse(_described(queue, ticket), 202 if not ticket.status.is_final else 200)

    @app.get("/v1/videos")
    def newest() -> dict[str, Any]:
        return {"data": [_described(queue, ticket) for ticket in queue.newest(MOST_LISTED)]}

    @app.get("/v1/videos/{name}")
    def status(name: str) -> dict[str, Any]:
        return _described(queue, find(name))

    @app.get("/v1/videos/{name}/content")
    def content(name: str) -> FileResponse:
        ticket = find(name)
        if ticket.status is not Status.COMPLETED:
            raise HTTPException(409, f"The video is {ticket.status}, and has no content: wait until it is completed.")
        return FileResponse(clip_path(queue.folder, name), media_type="video/mp4", filename=f"{name}.mp4")

    @app.post("/v1/videos/{name}/cancel")
    def cancel(name: str) -> dict[str, Any]:
        ticket = find(name)
        if not queue.cancel(ticket):
            raise HTTPException(409, f"The video is {ticket.status} already: delete it, if it is not wanted.")
        return _described(queue, ticket)

    @app.delete("/v1/videos/{name}")
    def delete(name: str) -> dict[str, Any]:
        queue.delete(find(name))
        return {"id": name, "deleted": True}

    return app


def _described(queue: JobQueue, ticket: Ticket) -> dict[str, Any]:
    done = ticket.status is Status.COMPLETED
    return {
        "id": ticket.name,
        "status": ticket.status.value,
        "position": queue.position(ticket),
        "step": ticket.step,
        "num_steps": ticket.num_steps or ticket.settings.get("num_inference_steps"),
        "error": ticket.error,
        "created": int(ticket.created),
        "seconds": ticket.seconds,
        "content": f"/v1/videos/{ticket.name}/content" if done else None,
        "settings": dict(ticket.settings),
    }


async def _read(request: Request, most: int) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"The body is of more than {most} bytes: send a smaller picture.")
    return body


def _guard(app: FastAPI, token: str | None) -> None:
    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if token is None:
            if request.url.hostname not in LOOPBACK:
                return _error(403, f"The server is not called {request.url.hostname}: reach it as localhost.")
        elif not secrets.compare_digest(_given(request), token.encode()):
            refusal = _error(401, "The token is missing or wrong: send it as Authorization: Bearer TOKEN.")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        return await call_next(request)


def _given(request: Request) -> bytes:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip().encode() if kind.lower() == "bearer" else b""


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RoutingError)
    async def refuse(request: Request, error: RoutingError) -> JSONResponse:
        sentence = str(error.detail)
        if error.status_code == 404 and not sentence.endswith("."):
            sentence = f"There is no {request.url.path}: see /v1/videos."
        elif error.status_code == 405:
            sentence = f"{request.url.path} does not take {request.method}: see the README for what does."
        return _error(error.status_code, sentence, error.headers)

    @app.exception_handler(Exception)
    async def fail(_request: Request, _error_: Exception) -> JSONResponse:
        return _error(500, "The request failed by a fault of the program: its log says more.")


def _error(code: int, sentence: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": sentence}}, code, headers)
