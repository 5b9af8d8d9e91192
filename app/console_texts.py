"""Texts of the maintenance commands: English, then French."""

from __future__ import annotations

from collections.abc import Mapping

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
    "delivered": ("Backup delivered to {target}: {file}", "Sauvegarde livrée à {target} : {file}"),
    "not-delivered": (
        "NOT delivered to {target}: {trouble}",
        "NON livrée à {target} : {trouble}",
    ),
    "own-key": ("{line}", "{line}"),
    "host-key": (
        "{server} shows this key ({kind}): {fingerprint}",
        "{server} présente cette clé ({kind}) : {fingerprint}",
    ),
    "host-key-question": (
        "Is it what the server’s administrator says? Write yes to trust it: ",
        "Est-ce celle que donne l’administrateur du serveur ? Écrivez oui pour l’admettre : ",
    ),
    "host-key-unconfirmed": (
        (
            "Not trusted yet. Compare it with what the server’s administrator says, then:\n"
            "  python -m app backup target {target} --host-key {fingerprint}"
        ),
        (
            "Pas encore admise. Comparez-la à ce que donne l’administrateur du serveur, puis :\n"
            "  python -m app backup target {target} --host-key {fingerprint}"
        ),
    ),
    "host-key-refused": ("Not trusted; nothing was changed.", "Pas admise ; rien n’a été changé."),
    "host-key-trusted": (
        "Trusted from now on: {server}. The key of this box, for the account on the server:",
        "Désormais admis : {server}. La clé de cette machine, pour le compte sur le serveur :",
    ),
    "target-reached": (
        "{target} can be reached; it holds {count} backups.",
        "{target} est accessible ; il contient {count} sauvegardes.",
    ),
    "scheduled": (
        "Every night to {target}, {keep} kept",
        "Chaque nuit vers {target}, {keep} gardées",
    ),
    "scheduled-success": ("  last success  {at}  {file}", "  dernier succès  {at}  {file}"),
    "scheduled-failure": ("  last failure  {at}  {trouble}", "  dernier échec  {at}  {trouble}"),
    "scheduled-stale": (
        "  WRONG: no backup for more than three days",
        "  FAUX : pas de sauvegarde depuis plus de trois jours",
    ),
    "schedule-none": (
        "No nightly backup is scheduled.",
        "Aucune sauvegarde n’est prévue la nuit.",
    ),
    "nightly-clock": (
        "The clock ({now}) stands before the last backup: one of the two dates is wrong.",
        "L’horloge ({now}) est avant la dernière sauvegarde : l’une des deux dates est fausse.",
    ),
    # refusals
    "backup-address": (
        "{target} is no place for backups: write sftp://user@host/folder, usb or a path.",
        "{target} n’est pas un endroit : écrivez sftp://compte@hôte/dossier, usb ou un chemin.",
    ),
    "backup-address-password": (
        "No password in the address: the box shows a key (python -m app backup key).",
        "Pas de mot de passe dans l’adresse : la machine a une clé (python -m app backup key).",
    ),
    "backup-stick-absent": (
        "No USB stick with the label BORNIER is plugged in.",
        "Aucune clé USB portant le nom BORNIER n’est branchée.",
    ),
    "backup-not-as-written": (
        "What was written to {target} does not read back the same; nothing was kept of it.",
        "Ce qui a été écrit dans {target} se relit autrement ; il n’en reste rien.",
    ),
    "backup-none": ("There is no backup in {target}.", "Il n’y a aucune sauvegarde dans {target}."),
    "backup-several": (
        "{target} holds backups of several machines: name one.",
        "{target} contient les sauvegardes de plusieurs machines : nommez-en une.",
    ),
    "backup-disk-low": (
        "Only {free} MiB are free, {needed} are needed: the record of charges comes first.",
        "Seulement {free} Mio libres, {needed} nécessaires : le journal des charges passe d’abord.",
    ),
    "backup-schedule-passphrase": (
        "The schedule has no passphrase: give one with --passphrase-file.",
        "Le programme n’a pas de phrase secrète : donnez-la par --passphrase-file.",
    ),
    "backup-schedule-unknown": (
        "{target} is not scheduled.",
        "{target} n’est pas au programme.",
    ),
    "sftp-host-unknown": (
        "The server {server} is not trusted yet: python -m app backup target.",
        "Le serveur {server} n’est pas encore admis : python -m app backup target.",
    ),
    "sftp-host-changed": (
        (
            "The server {server} shows another key than the trusted one: it was set up anew, or "
            "somebody stands between. Nothing was sent. Ask its administrator, then: "
            "python -m app backup target … --host-key …"
        ),
        (
            "Le serveur {server} présente une autre clé que celle admise : il a été réinstallé, ou "
            "quelqu’un s’interpose. Rien n’a été envoyé. Demandez à son administrateur, puis : "
            "python -m app backup target … --host-key …"
        ),
    ),
    "sftp-host-other": (
        "The key of {server} is not {expected}; nothing was changed.",
        "La clé de {server} n’est pas {expected} ; rien n’a été changé.",
    ),
    "sftp-key-refused": (
        (
            "{server} does not let {user} in with the key of this box: "
            "add what python -m app backup key prints to the account."
        ),
        (
            "{server} n’admet pas {user} avec la clé de cette machine : "
            "ajoutez au compte ce qu’affiche python -m app backup key."
        ),
    ),
    "sftp-forbidden": (
        "{server} does not allow this in {folder}.",
        "{server} ne permet pas cela dans {folder}.",
    ),
    "sftp-unreachable": (
        "The server {server} cannot be reached: {cause}",
        "Le serveur {server} est inaccessible : {cause}",
    ),
    "sftp-silent": (
        "The server {server} does not answer.",
        "Le serveur {server} ne répond pas.",
    ),
    "sftp-lost": (
        "The connection to {server} broke: {cause}",
        "La connexion à {server} s’est rompue : {cause}",
    ),
    "sftp-failed": (
        "The server {server} refused: {cause}",
        "Le serveur {server} a refusé : {cause}",
    ),
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
    "data-half-restored": (
        "A restore into {path} was interrupted: start the manager, which completes it.",
        "Une restauration dans {path} a été interrompue : démarrez le gestionnaire, il l’achève.",
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
        "certificate {file}: none yet, made at the next start",
        "certificat {file} : pas encore, fait au prochain démarrage",
    ),
    "check-certificate-valid": (
        "certificate {file}: valid until {until} ({days} days)",
        "certificat {file} : valable jusqu’au {until} ({days} jours)",
    ),
    "check-certificate-expiring": (
        "certificate {file}: not valid, or not for long (until {until}); a start renews it",
        (
            "certificat {file} : pas valable, ou plus pour longtemps (jusqu’au {until}) ; "
            "un démarrage le renouvelle"
        ),
    ),
    "check-certificate-other-key": (
        "certificate {file}: made for another key; a start makes a new one",
        "certificat {file} : fait pour une autre clé ; un démarrage en fait un nouveau",
    ),
    "check-certificate-unreadable": (
        "certificate {file}: unreadable ({cause}); a start makes a new one",
        "certificat {file} : illisible ({cause}) ; un démarrage en fait un nouveau",
    ),
    "check-schedule-none": (
        "nightly backups: none scheduled",
        "sauvegardes de nuit : aucune prévue",
    ),
    "check-schedule-sound": (
        "nightly backups: every target was served lately ({count})",
        "sauvegardes de nuit : chaque destination a été servie récemment ({count})",
    ),
    "check-schedule-old": (
        "nightly backups: none to {target} since {since}",
        "sauvegardes de nuit : aucune vers {target} depuis le {since}",
    ),
    "check-schedule-never": (
        "nightly backups: none to {target} ever, scheduled on {since}",
        "sauvegardes de nuit : jamais aucune vers {target}, prévues le {since}",
    ),
    "check-schedule-ahead": (
        "nightly backups: the last one to {target} is of {since}, after the clock",
        "sauvegardes de nuit : la dernière vers {target} est du {since}, après l’horloge",
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
