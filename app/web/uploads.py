"""Forms that carry a file: read whole, within the bound that holds for every form."""

from __future__ import annotations

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from app.domain.errors import InvalidInputError
from app.web.forms import Form
from app.web.http import Visit


async def upload_form(visit: Visit, field: str) -> tuple[Form, bytes]:
    """The form that was sent, its token checked, and the bytes of the file in ``field``.

    Without a file the bytes are empty. Raises ``InvalidInputError("upload-unreadable")`` for a form
    that was cut short on its way.
    """
    request = visit.request
    if request.headers.get("content-type", "").partition(";")[0] != "multipart/form-data":
        raise HTTPException(415)
    try:
        async with request.form(max_fields=50, max_files=1) as sent:
            values = {name: value for name, value in sent.items() if isinstance(value, str)}
            file = sent.get(field)
            data = await file.read() if isinstance(file, UploadFile) else b""
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise InvalidInputError("upload-unreadable", field=field) from error
    visit.check_token(values.pop("csrf", ""))
    return Form(values), data
