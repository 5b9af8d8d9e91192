"""The disk image, booted in a virtual machine: ``make image-test``, never part of ``make test``."""
