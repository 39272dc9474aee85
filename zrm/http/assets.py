"""The files of pages: style sheets, scripts, fonts and pictures, as the build made them."""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Assets(StaticFiles):
    """Built assets carry a hash in their names, so a browser may cache them for ever.

    The build has compressed them: a brotli and a gzip version lie beside each file for which they are smaller.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file in the smallest encoding that the browser accepts."""
        accepted = {
            name.partition(";")[0].strip() for name in Headers(scope=scope).get("accept-encoding", "").split(",")
        }
        for encoding, ending in (("br", ".br"), ("gzip", ".gz")):
            if encoding in accepted and (Path(str(self.directory)) / f"{path}{ending}").is_file():
                response = await super().get_response(f"{path}{ending}", scope)
                response.headers["Content-Encoding"] = encoding
                response.headers["Content-Type"] = guess_type(path)[0] or "application/octet-stream"
                response.headers["Vary"] = "Accept-Encoding"
                return response
        return await super().get_response(path, scope)

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """The file, to be kept by the browser for a year."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
