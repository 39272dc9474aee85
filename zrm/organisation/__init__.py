"""The organisation: its units, its subject tree, its natures, its agents and their permissions, as the operator gives them."""
