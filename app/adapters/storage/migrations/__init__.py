"""Numbered steps of the schema; each runs once, in order, in a transaction of its own.

A released step never changes: a new one is added. Steps are plain SQL and import nothing of the
product, so that an old file meets the schema of its time whatever the code has become.
"""
