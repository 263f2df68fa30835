"""JSON Schema in words: what a field may hold, in as few of them as say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
Schemas = Mapping[str, Schema]

_NUMBER_OF = {"array": ("minItems", "maxItems", "entries"), "string": ("minLength", "maxLength", "characters")}


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or member. ``default`` is None where there is none or it is null."""

    name: str
    type: str
    required: bool
    default: object
    meaning: str
    place: str

    @classmethod
    def read(cls, name: str, schema: Schema, schemas: Schemas, *, required: bool, place: str) -> "Field":
        """Read a field from its schema."""
        return cls(
            name=name,
            type=describe_type(schema, schemas),
            required=required,
            default=schema.get("default"),
            meaning=schema.get("description", ""),
            place=place,
        )


def read_fields(schema: Schema, schemas: Schemas, prefix: str = "") -> Sequence[Field]:
    """Give the members of an object, those of objects inside it by their path."""
    schema = _resolve(schema, schemas)
    fields: list[Field] = []
    for name, one in schema.get("properties", {}).items():
        inner = read_fields(one, schemas, f"{prefix}{name}.")
        required = name in schema.get("required", ())
        fields += inner or [Field.read(prefix + name, one, schemas, required=required, place="body")]
    return fields


def describe_type(schema: Schema, schemas: Schemas) -> str:
    """Say what a value may be."""
    schema = _resolve(schema, schemas)
    if "anyOf" in schema:
        # "or null" is said of a field by leaving it out.
        kinds = [describe_type(one, schemas) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in schema:
        return "one of " + ", ".join(str(one) for one in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {describe_type(schema.get('items', {}), schemas)}{_limits(schema, kind)}"
    return f"{kind or 'any value'}{_limits(schema, kind)}"


def _limits(schema: Schema, kind: str | None) -> str:
    low_name, high_name, unit = _NUMBER_OF.get(kind or "", ("minimum", "maximum", ""))
    low, high = schema.get(low_name), schema.get(high_name)
    noun = f" {unit}" if unit else ""
    if low is not None and high is not None:
        return f", {low:.15g} to {high:.15g}{noun}"
    if high is not None:
        return f", at most {high:.15g}{noun}"
    return "" if low is None else f", at least {low:.15g}{noun}"


def _resolve(schema: Schema, schemas: Schemas) -> Schema:
    reference = schema.get("$ref")
    return schemas[str(reference).rpartition("/")[2]] if reference else schema
