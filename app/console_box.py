"""What the commands of the box write, in English and French; see ``app.console``."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    # updates
    "bundle": (
        "Bornier {version} for {compatible}, {size}\n{description}",
        "Bornier {version} pour {compatible}, {size}\n{description}",
    ),
    "progress": ("{percent:3d} %  {step}", "{percent:3d} %  {step}"),
    "installed": (
        "Installed in slot {slot}: version {version} runs from the next start.",
        "Installée dans l’emplacement {slot} : la version {version} tourne dès le prochain démarrage.",
    ),
    "restarting": ("The box restarts.", "Le boîtier redémarre."),
    "powering-off": ("The box switches itself off.", "Le boîtier s’éteint."),
    "status": (
        "Version {version}, slot {running}; next start: slot {next}",
        "Version {version}, emplacement {running} ; prochain démarrage : emplacement {next}",
    ),
    "slot-good": ("  {name}  good     {version}", "  {name}  bon      {version}"),
    "slot-bad": ("  {name}  not good {version}", "  {name}  pas bon  {version}"),
    "outcome-installing": (
        "Update {version}: being installed in slot {slot}",
        "Mise à jour {version} : installation en cours dans l’emplacement {slot}",
    ),
    "outcome-installed": (
        "Update {version}: installed in slot {slot}, not proved yet",
        "Mise à jour {version} : installée dans l’emplacement {slot}, pas encore éprouvée",
    ),
    "outcome-confirmed": (
        "Update {version}: proved, in slot {slot}",
        "Mise à jour {version} : éprouvée, dans l’emplacement {slot}",
    ),
    "outcome-failed": (
        "Update {version} FAILED in slot {slot} ({reason}); running: {running_version}",
        (
            "La mise à jour {version} a ÉCHOUÉ dans l’emplacement {slot} ({reason}) ; "
            "version active : {running_version}"
        ),
    ),
    "outcome-none": ("No update yet", "Aucune mise à jour encore"),
    "going-back": (
        "Slot {slot} (version {version}) runs from the next start.",
        "L’emplacement {slot} (version {version}) tourne dès le prochain démarrage.",
    ),
    "unknown": ("unknown", "inconnue"),
    "none": ("none", "aucun"),
    "yes": ("yes", "oui"),
    "no": ("no", "non"),
    # network, time, SSH
    "network": (
        "DHCP: {dhcp}\naddresses: {addresses}\ngateway: {gateway}\nDNS: {dns}\nnow: {now}",
        "DHCP : {dhcp}\nadresses : {addresses}\npasserelle : {gateway}\nDNS : {dns}\nen ce moment : {now}",
    ),
    "network-waiting": (
        "NOT CONFIRMED: taken back in {seconds} s unless you run: box network confirm",
        "PAS CONFIRMÉ : annulé dans {seconds} s, sauf avec la commande : box network confirm",
    ),
    "time": (
        "{utc} UTC, zone {zone}\nsynchronised: {synchronised}\nNTP servers: {servers}",
        "{utc} UTC, fuseau {zone}\nsynchronisée : {synchronised}\nserveurs NTP : {servers}",
    ),
    "time-of-system": ("those of DHCP or the system", "ceux de DHCP ou du système"),
    "ssh-open": (
        "SSH is open; fingerprint of the box: {host_key}",
        "SSH est ouvert ; empreinte du boîtier : {host_key}",
    ),
    "ssh-closed": ("SSH is closed", "SSH est fermé"),
    "ssh-key": (
        "  {account}  {kind} {fingerprint} {comment}",
        "  {account}  {kind} {fingerprint} {comment}",
    ),
    # refusals of the helper
    "host-unavailable": (
        "The box’s helper does not answer ({cause}). These commands need a Bornier box, and root.",
        (
            "L’assistant du boîtier ne répond pas ({cause}). Ces commandes demandent un boîtier "
            "Bornier et l’utilisateur root."
        ),
    ),
    "host-forbidden": ("This account may not ask that.", "Ce compte n’a pas ce droit."),
    "host-crowded": ("Too many requests at once.", "Trop de demandes à la fois."),
    "host-busy": (
        "Another change is under way: try again when it is done.",
        "Un autre changement est en cours : recommencez quand il sera fini.",
    ),
    "host-request-invalid": ("This request is not known.", "Cette demande est inconnue."),
    "host-failed": ("It failed: {cause}", "Échec : {cause}"),
    "host-not-written": (
        "The settings could not be kept: {cause}",
        "Les réglages n’ont pas pu être gardés : {cause}",
    ),
    "host-program-missing": (
        "{program} is missing on this box.",
        "{program} manque sur ce boîtier.",
    ),
    "host-program-slow": ("{program} did not end in time.", "{program} n’a pas fini à temps."),
    "host-program-failed": ("{program} refused: {cause}", "{program} a refusé : {cause}"),
    "network-nothing-to-confirm": (
        "There is nothing to confirm: the time was over, or nothing was changed.",
        "Rien à confirmer : le délai est passé, ou rien n’a changé.",
    ),
    "network-address-invalid": (
        "{address} is not an IPv4 address of a host with its prefix, such as 10.0.0.5/24.",
        "{address} n’est pas une adresse IPv4 d’hôte avec son préfixe, comme 10.0.0.5/24.",
    ),
    "network-address-twice": ("{address} is given twice.", "{address} est donnée deux fois."),
    "network-overlap": (
        "{address} and {other} are in the same network.",
        "{address} et {other} sont dans le même réseau.",
    ),
    "network-service-address": (
        "{address} is in the network of the service address 192.168.123.1, which always stays.",
        "{address} est dans le réseau de l’adresse de service 192.168.123.1, qui reste toujours.",
    ),
    "network-no-address": (
        "Without DHCP an address is needed.",
        "Sans DHCP, il faut une adresse.",
    ),
    "network-gateway-invalid": (
        "{gateway} cannot be the gateway.",
        "{gateway} ne peut pas être la passerelle.",
    ),
    "network-gateway-outside": (
        "The gateway {gateway} is in none of the box’s networks.",
        "La passerelle {gateway} n’est dans aucun des réseaux du boîtier.",
    ),
    "network-gateway-dhcp": (
        "A gateway needs a fixed address: DHCP brings its own.",
        "Une passerelle demande une adresse fixe : DHCP apporte la sienne.",
    ),
    "network-dns-invalid": (
        "{server} cannot be a DNS server.",
        "{server} ne peut pas être un serveur DNS.",
    ),
    "network-dns-twice": ("A DNS server is given twice.", "Un serveur DNS est donné deux fois."),
    "clock-invalid": (
        "{text} is not a date and time such as 2026-11-25T14:30:00+01:00.",
        "{text} n’est pas une date et heure comme 2026-11-25T14:30:00+01:00.",
    ),
    "clock-before-known": (
        "The clock may not go before {known}: records up to then exist already.",
        "L’horloge ne peut pas reculer avant {known} : des enregistrements existent jusque-là.",
    ),
    "clock-too-late": (
        "This date is too far in the future.",
        "Cette date est trop loin dans le futur.",
    ),
    "clock-not-set": ("The clock cannot be set: {cause}", "L’horloge ne se règle pas : {cause}"),
    "time-zone-unknown": (
        "{zone} is not a time zone such as Europe/Paris.",
        "{zone} n’est pas un fuseau horaire comme Europe/Paris.",
    ),
    "time-server-invalid": (
        "{server} cannot be an NTP server.",
        "{server} ne peut pas être un serveur NTP.",
    ),
    "ssh-file-unreadable": ("{path} cannot be read: {cause}", "{path} est illisible : {cause}"),
    "ssh-no-key": ("There is no key in it.", "Il ne contient aucune clé."),
    "ssh-key-invalid": (
        "This is not a public key alone on its line; options before it are not accepted.",
        "Ce n’est pas une clé publique seule sur sa ligne ; les options devant ne sont pas admises.",
    ),
    "ssh-key-kind": (
        "Keys of type {kind} are not accepted: use Ed25519.",
        "Les clés de type {kind} ne sont pas admises : prenez Ed25519.",
    ),
    "ssh-key-short": (
        "An RSA key needs at least {least} bits.",
        "Une clé RSA doit avoir au moins {least} bits.",
    ),
    "ssh-not-closed": (
        "SSH could not be closed entirely: restart the box.",
        "SSH n’a pas pu être fermé entièrement : redémarrez le boîtier.",
    ),
    "update-unavailable": (
        "This machine takes no update bundles ({cause}).",
        "Cette machine ne prend pas de mises à jour par paquet ({cause}).",
    ),
    "update-file-missing": (
        "{path} is not a file that can be read here, without a link on the way.",
        "{path} n’est pas un fichier lisible ici, sans lien sur le chemin.",
    ),
    "update-not-a-bundle": (
        "This file is not an update bundle, or only a part of one.",
        "Ce fichier n’est pas une mise à jour, ou seulement une partie.",
    ),
    "update-signature": (
        "This bundle is not signed by the maker of this box: it is refused.",
        "Cette mise à jour n’est pas signée par le fabricant du boîtier : elle est refusée.",
    ),
    "update-other-hardware": (
        "This bundle is for other hardware ({compatible}).",
        "Cette mise à jour est pour un autre matériel ({compatible}).",
    ),
    "update-too-old": (
        "This version ({version}) is older than this box allows ({least}).",
        "Cette version ({version}) est plus ancienne que le boîtier n’admet ({least}).",
    ),
    "update-busy": (
        "An update is being installed already.",
        "Une mise à jour est déjà en cours d’installation.",
    ),
    "update-not-proven": (
        "Wait until this version ({version}) has proved itself: some minutes after a start.",
        "Attendez que cette version ({version}) ait fait ses preuves : quelques minutes après un démarrage.",
    ),
    "update-not-written": (
        "The update could not be written, the file or the disk being damaged: {cause}",
        "La mise à jour n’a pas pu être écrite, le fichier ou le disque étant abîmé : {cause}",
    ),
    "update-failed": ("The update failed: {cause}", "La mise à jour a échoué : {cause}"),
    "update-other-slot-bad": (
        "Slot {slot} holds no version that has proved itself.",
        "L’emplacement {slot} ne contient pas de version qui ait fait ses preuves.",
    ),
    # reasons of a failure
    "not-healthy": ("it was not well in time", "elle n’allait pas bien à temps"),
    "not-started": ("it did not start", "elle n’a pas démarré"),
    "interrupted": ("its installation was cut short", "son installation a été coupée"),
}
