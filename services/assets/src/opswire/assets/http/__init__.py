"""The inventory over HTTP: reading is open on the service's own address, writing needs the bearer token.

GET    /assets?type=&environment=&criticality=&group=&tag=&label=&site=&os=&owner=&parent=&address=&name=&id=
              &attribute=key=value&limit=&offset=
GET    /assets/{name}
POST   /assets/import?format=&origin=&map=&progress=   body: the file's text; answers the report
POST   /assets/diff?format=&origin=&map=               body: the file's text; answers what an import would do
PATCH  /assets/{name}?new_environment=                 body: {"environment": "staging", "attributes": {"port": "22"}}
DELETE /assets/{name}
POST   /assets/{name}/rename                           body: {"name": "..."}

Each write answers `outbox_id`: once `wait_ms` (at most 10,000) is given, it waits until that much is published and says
`published`. With `progress=true` an import answers lines of JSON: `{"done", "total"}` as it goes, last `{"report"}` or
`{"error"}`. Errors are `{"code", "detail"}`, for an unknown name with `candidates`; a repeated filter gives
alternatives, a repeated `attribute` narrows.
"""

from opswire.assets.http.api import EDIT_BYTES_MAX, IMPORT_BYTES_MAX, inventory_routes

__all__ = ["EDIT_BYTES_MAX", "IMPORT_BYTES_MAX", "inventory_routes"]
