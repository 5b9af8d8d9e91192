"""The Security tab of a station, and the site's choices."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from cryptography import x509

from app.domain.station_security import SecurityProfile, Strangers
from app.web.app import create_app
from app.web.security_words import PROFILES, REFUSALS, SETBACKS, STRANGERS
from tests.support.html import parsed
from tests.support.scripted import ScriptedStation, settle
from tests.support.secure_site import SecureSite, basic
from tests.unit.services.test_station_certificates import hashes_of
from tests.unit.web.conftest import BASE, Visitor

HERE = "/stations/A-1/security"
SITE = "/settings/stations-security"
KEY = "correct-horse-battery"
OWN = "quatre mots faciles à retenir"


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[SecureSite]:
    made = SecureSite(tmp_path)
    await made.start()
    yield made
    await made.running.stop()


@pytest_asyncio.fixture
async def owner(site: SecureSite) -> AsyncIterator[Visitor]:
    access = site.running.manager.services.access
    secret = await access.bootstrap() or ""
    signed_in = await access.sign_in("admin", secret, "127.0.0.1")
    await access.change_password(signed_in.session, signed_in.user, secret, OWN)
    transport = httpx.ASGITransport(app=create_app(site.running.manager.services))
    headers = {"Accept-Language": "fr-FR"}
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
        visitor = Visitor(client)
        await visitor.sign_in(OWN)
        yield visitor


async def act(owner: Visitor, action: str, **fields: str) -> httpx.Response:
    """What the page's form with this button sends."""
    page = await owner.get(HERE)
    token = page.one("main").all("form", method="post")[0].fields()["csrf"]
    return await owner.post(HERE, {"csrf": token, "action": action, **fields})


def done(answer: httpx.Response, notice: str) -> None:
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == f"{HERE}?done={notice}"


def test_there_is_a_word_for_everything() -> None:
    from app.domain.station_security import Refusal, Setback  # noqa: PLC0415

    assert set(PROFILES) == set(SecurityProfile)
    assert set(REFUSALS) == set(Refusal)
    assert set(SETBACKS) == set(Setback)
    assert set(STRANGERS) == set(Strangers)


async def test_a_new_key_is_shown_once(site: SecureSite, owner: Visitor) -> None:
    answer = await act(owner, "new-key")
    assert answer.status_code == 200
    (key,) = re.findall(r"\b[0-9a-f]{40}\b", answer.text)
    page = await owner.get(HERE)
    assert key not in page.text
    assert "Afficher la clé en attente" in page.text
    assert (await site.knock(password=bytes.fromhex(key))).status == 101
    page = await owner.get(HERE)
    assert "Nouvelle clé" in page.text
    assert "Afficher la clé en attente" not in page.text
    assert ("admin", "station-key-made", "A-1") in await site.audit()


async def test_a_new_key_goes_to_the_station_at_once(site: SecureSite, owner: Visitor) -> None:
    station = await site.enter()
    answer = await act(owner, "new-key")
    await settle()
    (key,) = re.findall(r"\b[0-9a-f]{40}\b", answer.text)
    assert {"key": "AuthorizationKey", "value": key} in station.sent("ChangeConfiguration")


async def test_a_key_is_typed_withdrawn_and_taken(site: SecureSite, owner: Visitor) -> None:
    refused = await act(owner, "type-key", key="short")
    assert refused.status_code == 422
    page = parsed(refused.text)
    assert page.labelled("Clé de la borne")["aria-invalid"] == "true"
    assert 'value="short"' not in refused.text
    done(await act(owner, "type-key", key=KEY), "key-typed")
    assert (await act(owner, "new-key")).status_code == 422
    done(await act(owner, "withdraw-key"), "key-withdrawn")
    await site.knock(password=KEY)
    page = await owner.get(HERE)
    form = next(form for form in page.one("main").all("form") if "verifier" in form.fields())
    done(await act(owner, "take-key", verifier=form.fields()["verifier"]), "key-taken")
    assert (await act(owner, "take-key", verifier="other")).status_code == 422


async def test_the_protection_changes_with_the_stations_help_or_at_once(
    site: SecureSite, owner: Visitor
) -> None:
    refused = await act(owner, "require", profile="1")
    assert refused.status_code == 422
    assert parsed(refused.text).one(id="summary").one("a")["href"] == "#f-profile"
    assert (await act(owner, "require", profile="9")).status_code == 422
    assert (await act(owner, "require")).status_code == 422
    assert (await act(owner, "steal")).status_code == 422
    await site.security.keys.type_key("A-1", KEY, "admin")
    done(await act(owner, "require", profile="1"), "security-required")
    assert site.record().required is SecurityProfile.KEY
    done(await act(owner, "want", profile="2"), "security-wanted")
    assert site.record().wanted is SecurityProfile.TLS_KEY
    assert "TLS et clé" in (await owner.get(HERE)).text


async def test_what_a_station_answered_is_said_until_it_is_seen(
    site: SecureSite, owner: Visitor
) -> None:
    station = await site.enter()
    station.answers["ChangeConfiguration"] = {"status": "Rejected"}
    await act(owner, "want", profile="1")
    await settle()
    page = await owner.get(HERE)
    assert "Rejected" in page.text
    done(await act(owner, "dismiss"), "security-dismissed")
    assert "Rejected" not in (await owner.get(HERE)).text


async def test_where_to_point_a_station_that_cannot_be_switched(
    site: SecureSite, owner: Visitor
) -> None:
    station = await site.enter()
    station.answers["ChangeConfiguration"] = lambda payload: {
        "status": "NotSupported" if payload["key"] == "SecurityProfile" else "Accepted"
    }
    await act(owner, "want", profile="2")
    await settle()
    assert "wss://bornier.test:8081/ocpp/A-1" in (await owner.get(HERE)).text


async def certified(site: SecureSite) -> ScriptedStation:
    from tests.unit.services.test_station_certificates import certified as ask  # noqa: PLC0415

    await site.security.keys.type_key("A-1", KEY, "admin")
    station = await site.enter(password=KEY, secure=True)
    await ask(site, station)
    return station


async def test_certificates_and_roots(site: SecureSite, owner: Visitor) -> None:
    assert (await act(owner, "ask-certificate")).status_code == 503
    assert (await owner.raw(f"{HERE}/roots")).status_code == 503
    station = await certified(site)
    done(await act(owner, "ask-certificate"), "certificate-asked")
    done(await act(owner, "install-root"), "root-installed")
    station.answers["InstallCertificate"] = {"status": "Rejected"}
    assert (await act(owner, "install-root")).status_code == 409
    station.answers["GetInstalledCertificateIds"] = {
        "status": "Accepted",
        "certificateHashData": [
            hashes_of(site.running.authority),
            hashes_of(site.running.authority, "99"),
        ],
    }
    page = await owner.get(f"{HERE}/roots")
    forms = [form.fields() for form in page.one("main").all("form") if "serial" in form.fields()]
    assert [fields["serial"] for fields in forms] == ["99"]
    done(await owner.post(HERE, {**forms[0], "action": "delete-root"}), "root-deleted")
    fingerprint = site.security.book.of("A-1")[0].fingerprint
    done(await act(owner, "revoke", fingerprint=fingerprint), "certificate-revoked")
    page = await owner.get(HERE)
    assert "révoqué" in page.text


async def test_events_and_attempts_are_shown(site: SecureSite, owner: Visitor) -> None:
    station = await site.enter()
    await station.call(
        "SecurityEventNotification",
        type="TamperDetectionActivated",
        timestamp="2026-11-22T07:59:00Z",
        techInfo="<capot>",
    )
    await site.security.keys.type_key("A-1", KEY, "admin")
    await site.require(1)
    await site.knock(header=basic("A-1", "another-one"))
    page = await owner.get(HERE)
    assert "TamperDetectionActivated" in page.text
    assert "<capot>" in page.text
    assert "mauvaise clé" in page.text
    assert "192.0.2.7" in page.text
    assert "mauvaise clé" in (await owner.get(SITE)).text


async def test_an_unknown_station_has_no_such_page(owner: Visitor) -> None:
    assert (await owner.raw("/stations/A-9/security")).status_code == 404


async def test_the_sites_choices(site: SecureSite, owner: Visitor) -> None:
    changes = {"profile": "2", "strangers": "tls", "organisation": "Régie"}
    answer = await owner.submit(SITE, changes)
    assert answer.headers["location"] == f"{SITE}?done=stations-security-saved"
    defaults = site.security.keys.defaults
    assert (defaults.profile, defaults.strangers, defaults.organisation) == (
        SecurityProfile.TLS_KEY,
        Strangers.TLS,
        "Régie",
    )
    for field, value in (("profile", "7"), ("strangers", "x"), ("organisation", "")):
        assert (await owner.submit(SITE, {**changes, field: value})).status_code == 422


async def test_the_root_is_downloaded_in_both_forms(site: SecureSite, owner: Visitor) -> None:
    page = await owner.get(SITE)
    root = site.security.root()
    assert root is not None
    assert root.fingerprint in page.text
    pem = await owner.raw(f"{SITE}/root.pem")
    der = await owner.raw(f"{SITE}/root.der")
    assert x509.load_pem_x509_certificate(pem.content) == x509.load_der_x509_certificate(
        der.content
    )
    assert "attachment" in pem.headers["content-disposition"]


async def test_before_there_is_a_root(tmp_path: Path) -> None:
    site = SecureSite(tmp_path)
    await site.running.start()
    services: Any = site.running.manager.services
    secret = await services.access.bootstrap() or ""
    signed_in = await services.access.sign_in("admin", secret, "127.0.0.1")
    await services.access.change_password(signed_in.session, signed_in.user, secret, OWN)
    transport = httpx.ASGITransport(app=create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        visitor = Visitor(client)
        await visitor.sign_in(OWN)
        await visitor.get(SITE)
        assert (await visitor.raw(f"{SITE}/root.pem")).status_code == 404
    await site.running.stop()
