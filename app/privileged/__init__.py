"""What needs root, in a process of its own: a short list of typed requests over a UNIX socket."""
