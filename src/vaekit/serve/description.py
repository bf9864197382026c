"""The OpenAPI 3.1 description of a served model."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from vaekit.models.fitted import Fitted
from vaekit.serve.bodies import ARROW, JSON, NPY, OCTETS
from vaekit.serve.verbs import row_verbs

REFUSALS = {
    "400": "The body is not what its type says.",
    "406": "No type of answer that is accepted is known.",
    "408": "The body did not come in time.",
    "413": "The body or the number of rows is over the limit.",
    "415": "The type of the body is not known.",
    "422": "The rows or settings are not what the model asks for.",
    "500": "Something unforeseen happened.",
    "503": "The queue is full; try again after Retry-After seconds.",
    "504": "The answer took too long.",
}
ROWS = {"$ref": "#/components/schemas/Rows"}


def openapi(fitted: Fitted) -> dict[str, Any]:
    """Return the description of every route of a model's server, as plain JSON values."""
    paths = {f"/v1/{name}": _post(verb.says, _rows_in(), _rows_out()) for name, verb in row_verbs(fitted).items()}
    draw = {JSON: {"schema": {"$ref": "#/components/schemas/Draw"}}}
    paths["/v1/sample"] = _post("New rows, drawn from the model.", draw, _rows_out())
    paths["/v1/compress"] = _post("The rows as an archive.", _rows_in(), _octets())
    paths["/v1/decompress"] = _post("The rows of an archive.", _octets(), _rows_out())
    paths["/v1/model"] = _get("What the model is.", JSON)
    paths["/openapi.json"] = _get("This description.", JSON)
    paths["/healthz"] = _get("Whether the server runs.", JSON)
    paths["/readyz"] = _get("Whether it takes requests now.", JSON, "503")
    paths["/metrics"] = _get("Counts, in Prometheus' text format.", "text/plain")
    return {
        "openapi": "3.1.0",
        "info": {"title": f"vaekit: {fitted.schema.noun}", "version": version("vaekit")},
        "paths": paths,
        "components": {"schemas": _schemas(fitted), "responses": {k: _refusal(v) for k, v in REFUSALS.items()}},
    }


def _schemas(fitted: Fitted) -> dict[str, Any]:
    one = {"type": "array"} if not fitted.schema.is_frame else {"type": "object", "required": fitted.schema.names}
    columns = {"type": "object", "additionalProperties": {"type": "array"}}
    whole = {"type": "integer", "minimum": 0}
    return {
        "Rows": {
            "type": "object",
            "required": ["rows"],
            "properties": {"rows": {"oneOf": [{"type": "array", "items": one}, columns]}},
        },
        "Answer": {"type": "object", "required": ["rows"], "properties": {"rows": {"type": "array"}}},
        "Draw": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"n": whole | {"default": 1}, "seed": whole | {"default": 0}, "given": {"type": "object"}},
        },
        "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
    }


def _rows_in() -> dict[str, Any]:
    return {JSON: {"schema": ROWS}, NPY: {}, ARROW: {}}


def _rows_out() -> dict[str, Any]:
    return {JSON: {"schema": {"$ref": "#/components/schemas/Answer"}}, NPY: {}, ARROW: {}}


def _octets() -> dict[str, Any]:
    return {OCTETS: {}}


def _post(says: str, takes: dict[str, Any], gives: dict[str, Any]) -> dict[str, Any]:
    refusals = {status: {"$ref": f"#/components/responses/{status}"} for status in REFUSALS}
    answers = {"200": {"description": says, "content": gives}} | refusals
    return {"post": {"summary": says, "requestBody": {"required": True, "content": takes}, "responses": answers}}


def _get(says: str, media_type: str, *refusals: str) -> dict[str, Any]:
    told = {status: {"$ref": f"#/components/responses/{status}"} for status in refusals}
    return {"get": {"summary": says, "responses": {"200": {"description": says, "content": {media_type: {}}}} | told}}


def _refusal(says: str) -> dict[str, Any]:
    return {"description": says, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}
