"""What the console shows at the start."""

from __future__ import annotations

from app.greeting import Ports, greeting

BOX = Ports(443, 8080, 8081)
SECRET = "8vxh-vw6c-cgs9-3r8g"


def test_a_box_names_itself_and_its_addresses() -> None:
    names = ["192.168.1.50", "fd00::7", "169.254.3.4", "192.168.123.1", "box.example.org"]
    assert greeting("0.0.0.0", "bornier-123456", names, BOX, SECRET) == (
        "\n"
        "  Bornier    https://bornier-123456.local/\n"
        "             https://box.example.org/\n"
        "             https://192.168.1.50/\n"
        "             https://192.168.123.1/\n"
        "  Stations   ws://192.168.1.50:8080/ocpp/{station}\n"
        "             wss://192.168.1.50:8081/ocpp/{station}\n"
        f"  Première connexion / First sign-in: admin / {SECRET}\n"
        "  (à remplacer par un mot de passe à vous / to be replaced by a password of your own)\n"
        "\n"
    )


def test_without_a_network_the_name_is_all_there_is() -> None:
    text = greeting("0.0.0.0", "bornier-123456", [], BOX, None)
    assert "ws://bornier-123456.local:8080/ocpp/{station}" in text
    assert "admin" not in text


def test_a_developer_is_sent_to_localhost() -> None:
    text = greeting("127.0.0.1", "laptop", ["192.168.1.9"], Ports(8443, 8080, None), None)
    assert text.splitlines()[1:] == [
        "  Bornier    https://localhost:8443/",
        "  Stations   ws://localhost:8080/ocpp/{station}",
        "",
    ]


def test_one_interface_and_a_full_name_are_taken_as_they_are() -> None:
    assert "https://192.0.2.7/" in greeting("192.0.2.7", "laptop", [], BOX, None)
    assert "https://box.example.org/" in greeting("0.0.0.0", "box.example.org", [], BOX, None)
