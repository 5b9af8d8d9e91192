"""What maintenance commands write: French or English, by the locale of the terminal.

Errors that have a text in ``errors.toml`` are told with it; those of backups are told here, since
no page shows them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from app.domain.errors import BornierError
from app.web.i18n import Language
from app.web.messages import MESSAGES, filled

TEXTS: Mapping[str, tuple[str, str]] = {
    # results
    "created": ("Backup made: {path} ({size})", "Sauvegarde faite : {path} ({size})"),
    "removed": ("Old backup deleted: {path}", "Ancienne sauvegarde supprimée : {path}"),
    "left": (
        "Not ours or of another passphrase, left alone: {path}",
        "D’une autre origine ou d’une autre phrase secrète, laissée en place : {path}",
    ),
    "verified": (
        "Sound: {path}\n  made {created} by Bornier {version} on {host}, {parts} files, {size}",
        (
            "Intacte : {path}\n  faite le {created} par Bornier {version} sur {host}, "
            "{parts} fichiers, {size}"
        ),
    ),
    "listed": ("{path}  {size}", "{path}  {size}"),
    "listed-open": (
        "{path}  {size}  {created}  Bornier {version}  {host}",
        "{path}  {size}  {created}  Bornier {version}  {host}",
    ),
    "listed-trouble": ("{path}  {size}  {trouble}", "{path}  {size}  {trouble}"),
    "listed-none": ("No backup in {path}.", "Aucune sauvegarde dans {path}."),
    "restored": (
        "Restored into {path}: the state of {created}. Start the manager now.",
        "Restauré dans {path} : l’état du {created}. Démarrez maintenant le gestionnaire.",
    ),
    "kept": (
        "The former data are kept in {path}; delete them when all is well.",
        "Les données d’avant sont gardées dans {path} ; supprimez-les quand tout va bien.",
    ),
    "user-reset": (
        "New one-time secret of {name}: {secret}\n(to be replaced at the first sign-in)",
        "Nouveau secret provisoire de {name} : {secret}\n(à remplacer à la première connexion)",
    ),
    "passphrase": ("Passphrase: ", "Phrase secrète : "),
    "passphrase-again": ("Once more: ", "Encore une fois : "),
    # refusals
    "backup-passphrase-short": (
        "The passphrase needs at least {least} characters.",
        "La phrase secrète doit avoir au moins {least} caractères.",
    ),
    "backup-passphrase-missing": (
        "Give the passphrase with --passphrase-file: there is no terminal to ask for it.",
        "Donnez la phrase secrète par --passphrase-file : il n’y a pas de terminal où la demander.",
    ),
    "backup-passphrase-unreadable": (
        "The file of the passphrase cannot be used: {cause}",
        "Le fichier de la phrase secrète est inutilisable : {cause}",
    ),
    "backup-passphrase-different": (
        "The two passphrases differ.",
        "Les deux phrases secrètes diffèrent.",
    ),
    "backup-passphrase-wrong": (
        "The passphrase is wrong.",
        "La phrase secrète est fausse.",
    ),
    "backup-foreign": (
        "This file is not a backup of Bornier.",
        "Ce fichier n’est pas une sauvegarde de Bornier.",
    ),
    "backup-damaged": (
        "The backup is damaged or incomplete.",
        "La sauvegarde est abîmée ou incomplète.",
    ),
    "backup-newer": (
        "The backup was made by a later version ({version}): update this one first.",
        (
            "La sauvegarde vient d’une version plus récente ({version}) : "
            "mettez d’abord celle-ci à jour."
        ),
    ),
    "backup-format-newer": (
        "The backup has a later format ({format}): update this version first.",
        "La sauvegarde a un format plus récent ({format}) : mettez d’abord cette version à jour.",
    ),
    "backup-not-found": ("There is no file {path}.", "Le fichier {path} n’existe pas."),
    "backup-unreadable": ("{path} cannot be read: {cause}", "{path} est illisible : {cause}"),
    "backup-exists": (
        "{path} exists already; nothing was written.",
        "{path} existe déjà ; rien n’a été écrit.",
    ),
    "backup-disk-full": (
        "The disk is full ({path}); nothing was kept of this attempt.",
        "Le disque est plein ({path}) ; il ne reste rien de cette tentative.",
    ),
    "backup-not-written": (
        "Cannot write in {path}: {cause}",
        "Impossible d’écrire dans {path} : {cause}",
    ),
    "data-missing": (
        "{path} holds no data of Bornier.",
        "{path} ne contient pas de données de Bornier.",
    ),
    "data-in-use": (
        "A manager is running on {path}: stop it first.",
        "Un gestionnaire fonctionne sur {path} : arrêtez-le d’abord.",
    ),
    "data-maintained": (
        "Another maintenance command is at work on {path}.",
        "Une autre commande de maintenance est en cours sur {path}.",
    ),
    "restore-not-swapped": (
        (
            "The restored data could not take the place of {path} ({cause}). The former ones are in "
            "place. Restore into a new directory instead."
        ),
        (
            "Les données restaurées n’ont pas pu prendre la place de {path} ({cause}). Celles d’avant "
            "sont en place. Restaurez plutôt dans un nouveau dossier."
        ),
    ),
    "user-unknown": ("There is no account {name}.", "Le compte {name} n’existe pas."),
    # check
    "check-ok": ("ok      {text}", "bon     {text}"),
    "check-wrong": ("WRONG   {text}", "FAUX    {text}"),
    "check-directory-closed": (
        "{path} cannot be read and written by this account",
        "ce compte ne peut pas lire et écrire dans {path}",
    ),
    "check-key-open": (
        "{path} can be read by other accounts",
        "{path} est lisible par d’autres comptes",
    ),
    "check-manager-runs": ("directory: a manager runs on it", "dossier : un gestionnaire y tourne"),
    "check-manager-stopped": (
        "directory: no manager runs on it",
        "dossier : aucun gestionnaire n’y tourne",
    ),
    "check-database-sound": (
        "database: every page and index is sound",
        "base : toutes les pages et tous les index sont sains",
    ),
    "check-schema-current": ("schema: the present one", "schéma : celui de cette version"),
    "check-schema-older": (
        "schema: an earlier one, brought up to date at the next start",
        "schéma : plus ancien, mis à jour au prochain démarrage",
    ),
    "check-schema-newer": (
        "schema: written by a later version of Bornier",
        "schéma : écrit par une version plus récente de Bornier",
    ),
    "check-site-unread": (
        "site: not looked at, the schema being another one",
        "site : pas examiné, le schéma étant un autre",
    ),
    "check-site-none": ("site: not configured yet", "site : pas encore configuré"),
    "check-site-sound": (
        "site: {name}, {stations} stations, the worst case fits every circuit",
        "site : {name}, {stations} bornes, le pire cas tient dans chaque circuit",
    ),
    "check-certificate-none": (
        "certificate: none yet, made at the next start",
        "certificat : pas encore, fait au prochain démarrage",
    ),
    "check-certificate-valid": (
        "certificate: valid until {until} ({days} days)",
        "certificat : valable jusqu’au {until} ({days} jours)",
    ),
    "check-certificate-expiring": (
        "certificate: not valid, or not for long (until {until}); a start renews it",
        (
            "certificat : pas valable, ou plus pour longtemps (jusqu’au {until}) ; "
            "un démarrage le renouvelle"
        ),
    ),
    "check-certificate-other-key": (
        "certificate: made for another key; a start makes a new one",
        "certificat : fait pour une autre clé ; un démarrage en fait un nouveau",
    ),
    "check-certificate-unreadable": (
        "certificate: unreadable ({cause}); a start makes a new one",
        "certificat : illisible ({cause}) ; un démarrage en fait un nouveau",
    ),
    "check-disk-room": (
        "disk: {free} MiB free, {needed} needed",
        "disque : {free} Mio libres, {needed} nécessaires",
    ),
    "check-disk-low": (
        "disk: only {free} MiB free, {needed} needed",
        "disque : seulement {free} Mio libres, {needed} nécessaires",
    ),
}


class Console:
    """Standard output and standard error, in the language of the terminal."""

    def __init__(
        self, language: str | None = None, texts: Mapping[str, tuple[str, str]] = TEXTS
    ) -> None:
        self.language = language or terminal_language()
        self._texts = texts

    def say(self, key: str, **params: object) -> None:
        """Writes one text to standard output."""
        sys.stdout.write(self.text(key, params) + "\n")

    def complain(self, error: BornierError) -> None:
        """Writes an error to standard error."""
        sys.stderr.write(f"bornier: {self.told(error)}\n")

    def told(self, error: BornierError) -> str:
        """What went wrong, in words."""
        if error.key in self._texts:
            return self.text(error.key, error.params)
        language = Language(self.language)
        params = filled(error.params, language, ZoneInfo("UTC"))
        return MESSAGES.title(error.key, params, language)

    def text(self, key: str, params: Mapping[str, object]) -> str:
        """The text of a key."""
        english, french = self._texts[key]
        return (french if self.language == "fr" else english).format_map(params)


def terminal_language() -> str:
    """``fr`` in a French locale, else ``en``."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "fr" if value.lower().startswith("fr") else "en"
    return "en"


def size_text(size: int) -> str:
    """Bytes, to read."""
    if size < 1024 * 1024:
        return f"{max(1, size >> 10)} KiB"
    return f"{size / 1024 / 1024:.1f} MiB"
