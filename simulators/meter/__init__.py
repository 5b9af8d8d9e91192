"""A Modbus TCP energy meter: 30 references, fed with the electrical truth of a site.

Its register knowledge and its Modbus framing are its own, so that a mistake of the manager's
decoder or of its library is not repeated here.
"""
