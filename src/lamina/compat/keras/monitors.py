"""Callbacks that show and send the progress of training."""

from __future__ import annotations

import json
import urllib.request
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from lamina.compat.keras.utils.arguments import wrong
from lamina.training.callbacks import Callback, ProgressBar

__all__ = ["ProgbarLogger", "RemoteMonitor"]


class ProgbarLogger(ProgressBar):
    """The progress bar of `fit`, with its `verbose`.

    >>> from lamina.compat import keras
    >>> logger = keras.callbacks.ProgbarLogger()
    """

    def __init__(self) -> None:
        super().__init__("auto")

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self.verbose = params.get("verbose", self.verbose)


class RemoteMonitor(Callback):
    """Sends the logs of each epoch to a server, by HTTP POST.

    Args:
        root: the address of the server. Default ``"http://localhost:9000"``.
        path: the path on the server. Default ``"/publish/epoch/end/"``.
        field: the field of the form that holds the logs as JSON. Default ``"data"``.
        headers: further headers of HTTP. Default None.
        send_as_json: whether JSON is sent instead of a form. Default False.

    Raises:
        InputError: `root` is no address of HTTP.

    >>> monitor = RemoteMonitor("http://localhost:9000", send_as_json=True)
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        if not root.startswith(("http://", "https://")):
            raise wrong(
                "The root of a RemoteMonitor is no address of HTTP.",
                "an address that begins with http:// or https://",
                repr(root),
                "Pass root='http://localhost:9000'.",
            )
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        text = json.dumps({"epoch": epoch, **(logs or {})}, default=_plain)
        body, kind = text, "application/json"
        if not self.send_as_json:
            body, kind = urlencode({self.field: text}), "application/x-www-form-urlencoded"
        request = urllib.request.Request(
            self.root + self.path,
            body.encode(),
            {"Content-Type": kind, **(self.headers or {})},
        )
        try:
            with urllib.request.urlopen(request):
                pass
        except OSError as error:
            warnings.warn(f"{self.root} did not take the logs: {error}", stacklevel=2)


def _plain(value: Any) -> Any:
    """An array as lists of numbers."""
    return value.tolist()
