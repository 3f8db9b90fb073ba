import json
from typing import Any

import pytest

from chatcluster.api import binding, forms
from chatcluster.core import errors

STRUCTS: list[tuple[binding.Form[Any], str, dict[str, tuple[str, object]]]] = [
    (forms.LOGIN, "FormLogin", {"userName": ("UserName", "u"), "passWord": ("Password", "p")}),
    (forms.REGISTER, "FormRegister", {"userName": ("UserName", "u"), "passWord": ("Password", "p")}),
    (
        forms.PUSH,
        "FormPush",
        {"msg": ("Msg", "m"), "toUserId": ("ToUserId", "7"), "roomId": ("RoomId", 1), "authToken": ("AuthToken", "t")},
    ),
    (
        forms.PUSH_ROOM,
        "FormRoom",
        {"authToken": ("AuthToken", "t"), "msg": ("Msg", "m"), "roomId": ("RoomId", 1)},
    ),
    (forms.COUNT, "FormCount", {"roomId": ("RoomId", 1)}),
    (forms.ROOM_INFO, "FormRoomInfo", {"roomId": ("RoomId", 1)}),
]
FIELDS = [(form, name, fields, key) for form, name, fields in STRUCTS for key in fields]


def complaint(form: binding.Form[Any], document: dict[str, object]) -> str:
    """What is said of a body."""
    with pytest.raises(errors.Invalid) as caught:
        form.bind(binding.parse(json.dumps(document)))
    return str(caught.value)


@pytest.mark.parametrize(("form", "_name", "fields"), STRUCTS)
def test_a_whole_form_is_bound_in_its_order(
    form: binding.Form[Any], _name: str, fields: dict[str, tuple[str, object]]
) -> None:
    """Every field has gochat's key and finds its place."""
    document = {key: value for key, (_, value) in fields.items()}
    assert tuple(form.bind(binding.parse(json.dumps(document)))) == tuple(document.values())


@pytest.mark.parametrize(("form", "name", "fields", "key"), FIELDS)
def test_each_missing_field_is_told_by_its_name_in_go(
    form: binding.Form[Any], name: str, fields: dict[str, tuple[str, object]], key: str
) -> None:
    """gochat's struct and field names."""
    document = {other: value for other, (_, value) in fields.items() if other != key}
    field = fields[key][0]
    assert complaint(form, document) == (
        f"Key: '{name}.{field}' Error:Field validation for '{field}' failed on the 'required' tag"
    )


@pytest.mark.parametrize(("form", "name", "fields", "key"), FIELDS)
def test_each_wrong_type_is_told_by_its_key(
    form: binding.Form[Any], name: str, fields: dict[str, tuple[str, object]], key: str
) -> None:
    """gochat's struct name and the key of the JSON."""
    document = {other: value for other, (_, value) in fields.items()} | {key: True}
    kind = "int" if isinstance(fields[key][1], int) else "string"
    assert complaint(form, document) == f"json: cannot unmarshal bool into Go struct field {name}.{key} of type {kind}"
