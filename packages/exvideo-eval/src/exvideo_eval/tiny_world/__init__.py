"""Judge networks of the tiny world: small, trained apart from every generator, shipped with the package."""

JUDGES = "tiny-world judges"  # what results call them
