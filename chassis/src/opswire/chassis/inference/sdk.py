"""What both SDKs are used for in the same way: their lean path to a raw reply, and their errors in our words."""

from __future__ import annotations

from typing import Any

import httpx2
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import InferenceRefusedError
from opswire.chassis.inference.failures import of_connection, of_sdk
from opswire.chassis.inference.transport import BoundedHttpClient

# An SDK's client is `Any` here: the two have the same methods and no common type.


def client_settings(endpoint: Endpoint, base_url: str) -> dict[str, Any]:
    """What either SDK's client is made with. Its retries and timeouts are off: the client above knows the deadline."""
    return {
        "api_key": endpoint.api_key.get_secret_value() if endpoint.api_key else "none",
        "base_url": base_url,
        "max_retries": 0,
        "timeout": None,
        "http_client": BoundedHttpClient(base_url, endpoint.connect_timeout_s),
    }


async def post(
    client: Any, faults: type[Exception], endpoint: Endpoint, path: str, content: bytes, traceparent: str, stream: bool
) -> httpx2.Response:
    """The reply to these bytes, read whole unless `stream`. `faults` is the root of the SDK's errors.

    Raises InferenceUnavailableError, InferenceRefusedError or ReplyTooLargeError.
    """
    try:
        response: httpx2.Response = await client.post(
            path,
            cast_to=httpx2.Response,
            content=content,
            options={"headers": {"traceparent": traceparent}},
            stream=stream,
        )
    except faults as error:
        raise of_sdk(endpoint, error) from error
    except httpx2.HTTPError as error:
        raise of_connection(endpoint, error) from error
    except UnicodeError:
        raise _of_key(endpoint) from None  # its text may hold a part of the key
    return response


def _of_key(endpoint: Endpoint) -> InferenceRefusedError:
    message = f"the API key of model endpoint {endpoint.name} holds what no HTTP header can: copy it again"
    return InferenceRefusedError(message, "credentials")


async def check(client: Any, faults: type[Exception], endpoint: Endpoint, path: str) -> None:
    """Whether the server answers there; one without that page is there all the same. Raises as `post` does."""
    try:
        await client.get(path, cast_to=httpx2.Response)
    except faults as error:
        if getattr(error, "status_code", None) not in (404, 405):
            raise of_sdk(endpoint, error) from error
    except UnicodeError:
        raise _of_key(endpoint) from None
