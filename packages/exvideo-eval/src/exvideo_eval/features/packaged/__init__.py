"""Networks and models whose weights come inside a package of somebody else's."""
