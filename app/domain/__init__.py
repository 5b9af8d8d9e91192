"""Ring 0: frozen values of the trade, without any behaviour that needs the outside."""
